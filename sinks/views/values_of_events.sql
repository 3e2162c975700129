-- What the events' own columns say of values and their labels, each combination once. It is what dim_values is made
-- from: read that one.
--
-- !materialized cluster by tenant_id
-- @events_log tenant_id owner former_owner former_owner_name life_status business_type business_type_name
-- first_seen_at: When the first event that said so happened.
-- last_seen_at: When the latest one happened.
-- last_sequence: Its sequence.
SELECT
  tenant_id, owner, former_owner, former_owner_name, life_status, business_type, business_type_name,
  MIN(occurred_at) AS first_seen_at,
  MAX(occurred_at) AS last_seen_at,
  MAX(sequence) AS last_sequence
FROM {{relation "events_log"}}
GROUP BY tenant_id, owner, former_owner, former_owner_name, life_status, business_type, business_type_name
