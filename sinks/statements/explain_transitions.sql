-- The story of an entity, the latest of it first, with its totals. What came
-- before an event decides what it is, so the whole story is read.
SELECT
  event_id, sequence, occurred_at, dimension, from_value, to_value,
  COALESCE(from_label, from_label_now) AS from_label, COALESCE(to_label, to_label_now) AS to_label,
  reason, origin, previous_to_value, is_repeat, is_gap, exited_at, dwell_seconds, is_current,
  COUNT(*) OVER () AS transitions,
  COUNT(CASE WHEN is_gap THEN 1 END) OVER () AS gaps,
  COUNT(CASE WHEN is_repeat THEN 1 END) OVER () AS repeats
FROM {{relation "transitions"}}
WHERE tenant_id = {{text .Tenant}}
  AND object_name {{if .Object}}= {{text .Object}}{{else}}IS NULL{{end}}
  AND entity_id = {{text .Entity}}
ORDER BY occurred_at DESC, sequence DESC, dimension
LIMIT {{.Limit}}
