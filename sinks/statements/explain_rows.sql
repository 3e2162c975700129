-- How many rows each event of an entity has in transitions_log, copies too.
SELECT event_id, COUNT(*) AS transitions
FROM {{relation "transitions_log"}}
WHERE occurred_at BETWEEN {{instant .From}} AND {{instant .To}}
  AND tenant_id = {{text .Tenant}}
  AND object_name {{if .Object}}= {{text .Object}}{{else}}IS NULL{{end}}
  AND entity_id = {{text .Entity}}
  {{- if .Event}}
  AND event_id = {{text .Event}}
  {{- end}}
GROUP BY event_id
ORDER BY MAX(occurred_at) DESC
LIMIT {{.Limit}}
