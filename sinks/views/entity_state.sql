-- What the events tell of every lead and account as a whole, one row per entity: when it began, what was heard
-- last, and the latest owner, life_status and business_type that an event carried. It is what leads and
-- accounts are made from: read those for a lead as it is now.
--
-- !materialized cluster by tenant_id, object_name, entity_id
-- @events_log tenant_id object_name entity_id
-- entity_created_at: Earliest creation time that an event carried.
-- object_create_at: When the earliest object_create happened.
-- last_event_at: When the latest event happened.
-- last_ingested_at: When leadsync last took in an event about it, copies included.
-- voided_sequence: Sequence of the latest object_voids; the entity is void if it is above restored_sequence.
-- restored_sequence: Sequence of the latest object_restore.
-- owner: Latest owner that an event carried, whatever was taken away since.
-- life_status: Latest life_status that an event carried.
-- business_type: Latest business_type that an event carried.
-- business_type_name: Latest business_type_name that an event carried.
SELECT
  tenant_id,
  object_name,
  entity_id,
  MIN(entity_created_at) AS entity_created_at,
  MIN(CASE WHEN event_type = 'object_create' THEN occurred_at END) AS object_create_at,
  MAX(occurred_at) AS last_event_at,
  MAX(ingested_at) AS last_ingested_at,
  {{template "carried.tmpl"}}
FROM {{relation "events_log"}}
WHERE entity_id IS NOT NULL
GROUP BY tenant_id, object_name, entity_id
