-- Every changed field of an event: one row per field in mapping_data.
--
-- @events_log event_id sequence occurred_at tenant_id object_name entity_id
-- @events_log event_type operator_type operator_id
-- @events_log.changes
SELECT
  e.event_id, e.sequence, e.occurred_at, e.tenant_id, e.object_name, e.entity_id,
  e.event_type, e.operator_type, e.operator_id,
  c.field, c.before_value, c.after_value, c.before_label, c.after_label
FROM {{relation "events"}} AS e, {{unnest "e.changes" "c"}}
