-- Deletes the events about an entity, or counts them: those that happened to
-- it, that associate it with another, or that name no entity but its user. The
-- filter on occurred_at keeps every row: tables may refuse a statement without
-- one.
{{if .Count}}SELECT COUNT(*) AS found{{else}}DELETE{{end}} FROM {{relation "events_log"}}
WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
  AND (
    entity_id = {{text .ID}}
    OR target_entity_id = {{text .ID}}
    OR entity_id IS NULL AND lead_omni_user_uuid IN (
      SELECT lead_omni_user_uuid FROM {{relation "events_log"}}
      WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}} AND entity_id = {{text .ID}}
    )
  )
