-- Deletes the transitions that events about an entity told of, or counts them.
-- They go before the events, by which some of them are found. The filter on
-- occurred_at keeps every row: tables may refuse a statement without one.
{{if .Count}}SELECT COUNT(*) AS found{{else}}DELETE{{end}} FROM {{relation "transitions_log"}}
WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
  AND (
    entity_id = {{text .ID}}
    OR event_id IN (
      SELECT event_id FROM {{relation "events_log"}}
      WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
        AND (entity_id = {{text .ID}} OR target_entity_id = {{text .ID}})
    )
  )
