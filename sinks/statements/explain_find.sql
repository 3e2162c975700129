-- The entities that have an id, or the events that have it as theirs or as
-- that of a message, the latest first. The filter on occurred_at keeps every
-- row: tables may refuse a statement without one.
SELECT
  tenant_id, object_name, entity_id,
  MIN(event_id) AS an_event_id,
  COUNT(DISTINCT event_id) AS events,
  COUNT(*) AS copies,
  MIN(occurred_at) AS first_at,
  MAX(occurred_at) AS last_at
FROM {{relation "events_log"}}
WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
{{- if .Entity}}
  AND entity_id = {{text .ID}}
GROUP BY tenant_id, object_name, entity_id
{{- else}}
  AND (event_id = {{text .ID}} OR message_id = {{text .ID}})
GROUP BY tenant_id, object_name, entity_id, event_id
{{- end}}
ORDER BY last_at DESC, tenant_id, object_name
LIMIT 5
