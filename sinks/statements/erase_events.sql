-- Deletes the events about an entity, as the one they happened to or as the
-- one they associate with it, or counts them. The filter on occurred_at keeps
-- every row: tables may refuse a statement without one.
{{if .Count}}SELECT COUNT(*) AS found{{else}}DELETE{{end}} FROM {{relation "events_log"}}
WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
  AND (entity_id = {{text .ID}} OR target_entity_id = {{text .ID}})
