-- The latest events of an entity, or one event, as the view events shows them.
-- The view itself would read the others' rows too.
SELECT event_id, sequence, {{join .Columns ", "}}
FROM (
  SELECT *
  FROM {{relation "events_log"}}
  WHERE occurred_at BETWEEN {{instant .From}} AND {{instant .To}}
    AND tenant_id = {{text .Tenant}}
    AND object_name {{if .Object}}= {{text .Object}}{{else}}IS NULL{{end}}
    AND entity_id {{if .Entity}}= {{text .Entity}}{{else}}IS NULL{{end}}
    {{- if .Event}}
    AND event_id = {{text .Event}}
    {{- end}}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY occurred_at, event_id
    ORDER BY {{template "first_copy.tmpl"}}
  ) = 1
) AS shown
ORDER BY occurred_at DESC, sequence DESC, event_id DESC
LIMIT {{.Limit}}
