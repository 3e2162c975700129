-- Every gap in the history of a lead or account: between two changes that are known, at least one of owner,
-- life_status, lead_pool or status never reached us.
--
-- @transitions tenant_id object_name entity_id dimension
-- event_id: The event after the gap, which tells of it.
-- event_type: Kind of the event after the gap.
-- missing_from_value: The value before the gap; NULL: nothing, it was taken away.
-- missing_to_value: The value at the end of the gap, with which the next change started; NULL: nothing.
-- missing_from_label: Label of missing_from_value as last seen.
-- missing_to_label: Label of missing_to_value as last seen.
-- gap_began_at: When missing_from_value was last heard of: the change, or its repeat, before the gap.
-- gap_ended_at: When the change after the gap happened.
SELECT
  t.tenant_id,
  t.object_name,
  t.entity_id,
  t.dimension,
  t.event_id,
  t.event_type,
  t.previous_to_value AS missing_from_value,
  t.from_value AS missing_to_value,
  v.label AS missing_from_label,
  t.from_label_now AS missing_to_label,
  t.previous_entered_at AS gap_began_at,
  t.occurred_at AS gap_ended_at
FROM {{relation "transitions"}} AS t
LEFT JOIN {{relation "dim_values"}} AS v
  ON v.tenant_id = t.tenant_id AND v.dimension = t.dimension AND v.value = t.previous_to_value
WHERE t.is_gap
