-- The latest value of every field of every lead and account, one row per entity and field, custom fields
-- included. It is what leads and accounts are made from: read those for a lead as it is now, and this one for a
-- field that they have no column for.
--
-- !materialized cluster by tenant_id, object_name, entity_id
-- @events_log tenant_id object_name entity_id
-- @events_log.changes field
-- value: Latest value by sequence; the empty text when the field was emptied: read NULLIF(value, '').
-- label: Label that came with value; the empty text when there was none: read NULLIF(label, '').
-- changed_at: When the latest event that told the field happened.
SELECT
  e.tenant_id,
  e.object_name,
  e.entity_id,
  c.field,
  {{template "latest_change.tmpl" "value"}} AS value,
  {{template "latest_change.tmpl" "label"}} AS label,
  MAX(e.occurred_at) AS changed_at
FROM {{relation "events_log"}} AS e, {{unnest "e.changes" "c"}}
GROUP BY e.tenant_id, e.object_name, e.entity_id, c.field
