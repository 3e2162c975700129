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
WITH once AS (
  SELECT
    {{columns "transitions_log"}},
    from_value IS NOT NULL OR origin = 'event' AS from_known
  FROM {{relation "transitions_log"}}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY occurred_at, event_id, dimension
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
  SELECT *, LEAD(occurred_at) OVER (
    PARTITION BY tenant_id, object_name, entity_id, dimension, is_repeat
    ORDER BY place
  ) AS next_at
  FROM told
)
SELECT
  {{columns "transitions_log"}},
  previous_to_value,
  is_repeat,
  NOT is_repeat AND place > 1 AND from_known AND from_value IS DISTINCT FROM previous_to_value AS is_gap,
  occurred_at AS entered_at,
  CASE WHEN NOT is_repeat THEN next_at END AS exited_at,
  CASE WHEN NOT is_repeat THEN {{seconds "occurred_at" "next_at"}} END AS dwell_seconds,
  NOT is_repeat AND next_at IS NULL AS is_current
FROM followed
