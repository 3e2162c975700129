-- Every change of owner, life_status, lead_pool or status once, with its story: what was before,
-- whether it tells a change again, whether one is missing in between, and how long the value stayed.
-- Within an entity and dimension rows are ordered by occurred_at; in the same second a row that
-- starts where another one ends comes after those that do not; then by sequence.
--
-- @transitions_log
-- previous_to_value: The to_value of the row before; NULL on the first row.
-- is_repeat: Whether the row tells the change before it again: same to_value, and the same from_value as
--   the first row that told it, or an unknown one.
-- is_gap: Whether a change in between never reached us: from_value is known and differs from
--   previous_to_value.
-- entered_at: When the value was entered: occurred_at.
-- exited_at: When the next change left it; NULL while it lasts, and on a repeat.
-- dwell_seconds: Seconds from entered_at to exited_at; NULL where exited_at is.
-- is_current: Whether it is the latest change of its dimension; never on a repeat.
-- previous_entered_at: When the row before happened; NULL on the first row.
-- next_to_value: The to_value of the next change; NULL while the value lasts, when it was taken away, and on
--   a repeat.
-- change_reason_code: reason_code of the change, from whichever of the events that told of it had one; NULL on a
--   repeat.
-- change_reason: change_reason_code in words.
-- from_label_now: Label of from_value as last seen with any lead or account.
-- to_label_now: Label of to_value as last seen with any lead or account.
WITH once AS (
  SELECT
    {{columns "transitions_log"}},
    from_value IS NOT NULL OR origin = 'event' AS from_known
  FROM {{relation "transitions_log"}}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY occurred_at, event_id, dimension, tenant_id, object_name, entity_id -- so filters reach the table
    ORDER BY {{template "first_copy.tmpl"}}
  ) = 1
),
-- A value is never the empty string, which can therefore stand for NULL.
ends AS (
  SELECT *, ARRAY_AGG(COALESCE(to_value, '')) OVER (
    PARTITION BY tenant_id, object_name, entity_id, dimension, occurred_at
  ) AS ends_of_second
  FROM once
),
chained AS (
  SELECT *, CASE
    WHEN from_known AND {{contains "ends_of_second" "COALESCE(from_value, '')"}} THEN 1 ELSE 0
  END AS is_chained
  FROM ends
),
placed AS (
  SELECT *,
    LAG(to_value) OVER story AS previous_to_value,
    LAG(occurred_at) OVER story AS previous_entered_at,
    ROW_NUMBER() OVER story AS place
  FROM chained
  WINDOW story AS (
    PARTITION BY tenant_id, object_name, entity_id, dimension
    ORDER BY occurred_at, is_chained, sequence, event_id
  )
),
compared AS (
  SELECT *,
    CASE WHEN place > 1 AND to_value IS NOT DISTINCT FROM previous_to_value THEN 0 ELSE 1 END AS starts_run
  FROM placed
),
runs AS (
  SELECT *, SUM(starts_run) OVER (
    PARTITION BY tenant_id, object_name, entity_id, dimension
    ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS run
  FROM compared
),
begun AS (
  SELECT *, FIRST_VALUE(from_value) OVER (
    PARTITION BY tenant_id, object_name, entity_id, dimension, run
    ORDER BY place
  ) AS run_from_value
  FROM runs
),
told AS (
  SELECT *,
    starts_run = 0 AND (NOT from_known OR from_value IS NOT DISTINCT FROM run_from_value) AS is_repeat
  FROM begun
),
followed AS (
  SELECT *,
    LEAD(occurred_at) OVER story AS next_at,
    LEAD(to_value) OVER story AS next_to,
    FIRST_VALUE(CASE WHEN starts_run = 1 OR is_repeat THEN reason_code END IGNORE NULLS) OVER tellings AS told_reason_code,
    FIRST_VALUE(CASE WHEN starts_run = 1 OR is_repeat THEN reason END IGNORE NULLS) OVER tellings AS told_reason
  FROM told
  WINDOW
    story AS (
      PARTITION BY tenant_id, object_name, entity_id, dimension, is_repeat
      ORDER BY place
    ),
    tellings AS (
      PARTITION BY tenant_id, object_name, entity_id, dimension, run
      ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
),
stories AS (
  SELECT
    {{columns "transitions_log"}},
    previous_to_value,
    is_repeat,
    NOT is_repeat AND place > 1 AND from_known AND from_value IS DISTINCT FROM previous_to_value AS is_gap,
    occurred_at AS entered_at,
    CASE WHEN NOT is_repeat THEN next_at END AS exited_at,
    CASE WHEN NOT is_repeat THEN {{seconds "occurred_at" "next_at"}} END AS dwell_seconds,
    NOT is_repeat AND next_at IS NULL AS is_current,
    previous_entered_at,
    CASE WHEN NOT is_repeat THEN next_to END AS next_to_value,
    CASE WHEN starts_run = 1 THEN told_reason_code WHEN NOT is_repeat THEN reason_code END AS change_reason_code,
    CASE WHEN starts_run = 1 THEN told_reason WHEN NOT is_repeat THEN reason END AS change_reason
  FROM followed
)
SELECT s.*, f.label AS from_label_now, t.label AS to_label_now
FROM stories AS s
LEFT JOIN {{relation "dim_values"}} AS f
  ON f.tenant_id = s.tenant_id AND f.dimension = s.dimension AND f.value = s.from_value
LEFT JOIN {{relation "dim_values"}} AS t
  ON t.tenant_id = s.tenant_id AND t.dimension = s.dimension AND t.value = s.to_value
