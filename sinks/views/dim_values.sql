-- Every value that owner, life_status, lead_pool, status or business_type was ever seen with, and its label
-- as last seen. Leads and accounts share them.
--
-- @events_log tenant_id
-- dimension: What has the value: owner, life_status, lead_pool, status or business_type.
-- value: The value: an id or code.
-- label: Its label as last seen; NULL when it never came with one.
-- first_seen_at: When the first event with the value happened.
-- last_seen_at: When the latest event with the value happened.
WITH told AS (
  -- The tables are read as they are, since copies change neither a first, nor a last, nor a latest.
  SELECT
    tenant_id, occurred_at, sequence,
    owner, former_owner, former_owner_name, life_status, business_type, business_type_name,
    {{change "changes" "business_type"}} AS changed
  FROM {{relation "events_log"}}
),
seen AS (
  SELECT
    e.tenant_id, e.occurred_at, e.sequence,
    CASE part
      WHEN 'owner' THEN 'owner'
      WHEN 'former_owner' THEN 'owner'
      WHEN 'life_status' THEN 'life_status'
      ELSE 'business_type'
    END AS dimension,
    CASE part
      WHEN 'owner' THEN e.owner
      WHEN 'former_owner' THEN e.former_owner
      WHEN 'life_status' THEN e.life_status
      WHEN 'business_type' THEN e.business_type
      WHEN 'before' THEN e.changed.before_value
      WHEN 'after' THEN e.changed.after_value
    END AS value,
    CASE part
      WHEN 'former_owner' THEN NULLIF(e.former_owner_name, '-')
      WHEN 'business_type' THEN NULLIF(e.business_type_name, '-')
      WHEN 'before' THEN e.changed.before_label
      WHEN 'after' THEN e.changed.after_label
    END AS label
  FROM told AS e, {{unnest "['owner', 'former_owner', 'life_status', 'business_type', 'before', 'after']" "part"}}
  UNION ALL
  SELECT
    t.tenant_id, t.occurred_at, t.sequence, t.dimension,
    CASE part WHEN 'from' THEN t.from_value ELSE t.to_value END,
    CASE part WHEN 'from' THEN t.from_label ELSE t.to_label END
  FROM {{relation "transitions_log"}} AS t, {{unnest "['from', 'to']" "part"}}
)
SELECT
  tenant_id,
  dimension,
  value,
  -- Of two labels in one event the one that sorts last, so that it is the same one everywhere.
  {{latest "label" "CONCAT(sequence, label)"}} AS label,
  MIN(occurred_at) AS first_seen_at,
  MAX(occurred_at) AS last_seen_at
FROM seen
WHERE value IS NOT NULL
GROUP BY tenant_id, dimension, value
