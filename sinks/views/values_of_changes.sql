-- What the changes of business_type, the one dimension without transitions, say of its values and their labels, each
-- pairing once. It is what dim_values is made from: read that one.
--
-- !materialized cluster by tenant_id
-- @events_log tenant_id
-- @events_log.changes before_value before_label after_value after_label
-- first_seen_at: When the first event that said so happened.
-- last_seen_at: When the latest one happened.
-- last_sequence: Its sequence.
SELECT
  e.tenant_id, c.before_value, c.before_label, c.after_value, c.after_label,
  MIN(e.occurred_at) AS first_seen_at,
  MAX(e.occurred_at) AS last_seen_at,
  MAX(e.sequence) AS last_sequence
FROM {{relation "events_log"}} AS e, {{unnest "e.changes" "c"}}
WHERE c.field = 'business_type'
GROUP BY e.tenant_id, c.before_value, c.before_label, c.after_value, c.after_label
