-- What the transitions say of values and their labels, each pairing once. It is what dim_values is made from: read
-- that one.
--
-- !materialized cluster by tenant_id, dimension
-- @transitions_log tenant_id dimension from_value from_label to_value to_label
-- first_seen_at: When the first event that said so happened.
-- last_seen_at: When the latest one happened.
-- last_sequence: Its sequence.
SELECT
  tenant_id, dimension, from_value, from_label, to_value, to_label,
  MIN(occurred_at) AS first_seen_at,
  MAX(occurred_at) AS last_seen_at,
  MAX(sequence) AS last_sequence
FROM {{relation "transitions_log"}}
GROUP BY tenant_id, dimension, from_value, from_label, to_value, to_label
