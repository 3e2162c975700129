-- Every value that owner, life_status, lead_pool, status or business_type was ever seen with, and its label
-- as last seen. Leads and accounts share them.
--
-- @events_log tenant_id
-- dimension: What has the value: owner, life_status, lead_pool, status or business_type.
-- value: The value: an id or code.
-- label: Its label as last seen; NULL when it never came with one.
-- first_seen_at: When the first event with the value happened.
-- last_seen_at: When the latest event with the value happened.
WITH seen AS (
  SELECT
    t.tenant_id, t.dimension, t.first_seen_at, t.last_seen_at, t.last_sequence,
    CASE part WHEN 'from' THEN t.from_value ELSE t.to_value END AS value,
    CASE part WHEN 'from' THEN t.from_label ELSE t.to_label END AS label
  FROM {{relation "values_of_transitions"}} AS t, {{unnest "['from', 'to']" "part"}}
  UNION ALL
  SELECT
    e.tenant_id,
    CASE part WHEN 'former_owner' THEN 'owner' ELSE part END,
    e.first_seen_at, e.last_seen_at, e.last_sequence,
    CASE part
      WHEN 'owner' THEN e.owner
      WHEN 'former_owner' THEN e.former_owner
      WHEN 'life_status' THEN e.life_status
      ELSE e.business_type
    END,
    CASE part
      WHEN 'former_owner' THEN NULLIF(e.former_owner_name, '-')
      WHEN 'business_type' THEN NULLIF(e.business_type_name, '-')
    END
  FROM {{relation "values_of_events"}} AS e, {{unnest "['owner', 'former_owner', 'life_status', 'business_type']" "part"}}
  UNION ALL
  SELECT
    c.tenant_id, 'business_type', c.first_seen_at, c.last_seen_at, c.last_sequence,
    CASE part WHEN 'before' THEN c.before_value ELSE c.after_value END,
    CASE part WHEN 'before' THEN c.before_label ELSE c.after_label END
  FROM {{relation "values_of_changes"}} AS c, {{unnest "['before', 'after']" "part"}}
)
SELECT
  tenant_id,
  dimension,
  value,
  -- Of two labels in one event the one that sorts last, so that it is the same one everywhere.
  {{latest "label" "CONCAT(last_sequence, label)"}} AS label,
  MIN(first_seen_at) AS first_seen_at,
  MAX(last_seen_at) AS last_seen_at
FROM seen
WHERE value IS NOT NULL
GROUP BY tenant_id, dimension, value
