-- Lead events into the tables that leadsync has, as somebody with DuckDB at
-- hand would write it. It does less than leadsync does: an identity of the
-- bytes instead of the values, no dead letters, no unknown keys, no naive
-- times, no numbers that BigQuery refuses.
CREATE TEMP TABLE src AS
SELECT
  md5(json) AS event_id, to_timestamp(CAST(json->>'$.create_time' AS BIGINT)) AS occurred_at, json, json->'$.extra_data' AS x,
  json->'$.extra_data.mapping_data' AS m, json->'$.extra_data.mapping_data_text' AS t
FROM read_ndjson_objects('{{file}}', maximum_object_size = 16777216);

INSERT INTO events_log BY NAME
SELECT
  event_id, printf('%016x/%s', epoch(occurred_at)::BIGINT, event_id) AS sequence, occurred_at, json->>'$.mid' AS tenant_id,
  json->>'$.event_category' AS event_category, json->>'$.event_type' AS event_type, json->>'$.action_keyword' AS action_keyword,
  x->>'$.object_id' AS object_id, x->>'$.object_name' AS object_name, nullif(x->>'$.entity_id', '') AS entity_id,
  TRY_CAST(x->>'$.operator_type' AS BIGINT) AS operator_type, nullif(x->>'$.operator_id', '') AS operator_id,
  nullif(x->>'$.omni_user_uuid', '') AS omni_user_uuid, TRY_CAST(x->>'$.is_follow_up' AS BOOLEAN) AS is_follow_up,
  nullif(x->>'$.notes', '') AS notes, nullif(x->>'$.login_platform', '') AS login_platform,
  nullif(x->>'$.login_source_value', '') AS login_source_value, nullif(x->>'$.login_source_type', '') AS login_source_type,
  nullif(x->>'$.login_source_name', '') AS login_source_name, nullif(x->>'$.login_environment', '') AS login_environment,
  nullif(x->>'$.business_type', '') AS business_type, nullif(x->>'$.business_type_name', '') AS business_type_name,
  nullif(x->>'$.business_unit', '') AS business_unit, TRY_CAST(x->>'$.created_timestamp' AS TIMESTAMPTZ) AS entity_created_at,
  nullif(x->>'$.owner', '') AS owner, nullif(x->>'$.life_status', '') AS life_status,
  nullif(x->>'$.lead_omni_user_uuid', '') AS lead_omni_user_uuid, nullif(x->>'$.former_owner', '') AS former_owner,
  nullif(x->>'$.former_owner_name', '') AS former_owner_name, TRY_CAST(x->>'$.scene_type' AS BIGINT) AS scene_type,
  nullif(x->>'$.from_leads_status', '') AS from_leads_status, nullif(x->>'$.to_leads_status', '') AS to_leads_status,
  nullif(x->>'$.from_life_status', '') AS from_life_status, nullif(x->>'$.to_life_status', '') AS to_life_status,
  nullif(x->>'$.from_lead_pool', '') AS from_lead_pool, nullif(x->>'$.to_lead_pool', '') AS to_lead_pool,
  nullif(x->>'$.target_object_id', '') AS target_object_id, nullif(x->>'$.target_entity_id', '') AS target_entity_id,
  m AS mapping_data, t AS mapping_data_text, x->'$.entity_change_mapping' AS entity_change_mapping, x->'$.timeline_data' AS timeline_data,
  CASE WHEN json_type(m) = 'OBJECT' THEN list_transform(json_keys(m), lambda k: {
    'field': k, 'before_value': CASE WHEN json_array_length(m, '$."' || k || '"') = 2 THEN m->>('$."' || k || '"[0]') END,
    'after_value': m->>('$."' || k || '"[#-1]'),
    'before_label': CASE WHEN json_array_length(t, '$."' || k || '"') = 2 THEN t->>('$."' || k || '"[0]') END,
    'after_label': coalesce(t->>('$."' || k || '"[#-1]'), t->>('$."' || k || '"'))
  }) END AS changes,
  now() AS ingested_at, 'backfill' AS ingest_source
FROM src;

INSERT INTO transitions_log BY NAME
WITH told AS (
  SELECT event_id, occurred_at, json, x, unnest([
    {'dimension': 'owner', 'kind': 'object_change_owner', 'f': x->>'$.former_owner', 't': x->>'$.owner', 'm': m->'$.owner'},
    {'dimension': 'life_status', 'kind': 'object_update_life_cycle', 'f': x->>'$.from_life_status', 't': x->>'$.to_life_status', 'm': m->'$.life_status'},
    {'dimension': 'lead_pool', 'kind': 'object_change_lead_pool', 'f': x->>'$.from_lead_pool', 't': x->>'$.to_lead_pool', 'm': m->'$.lead_pool'},
    {'dimension': 'status', 'kind': 'object_update_status', 'f': x->>'$.from_leads_status', 't': x->>'$.to_leads_status', 'm': m->'$.leads_status'}
  ]) AS d
  FROM src
  WHERE nullif(x->>'$.entity_id', '') IS NOT NULL
),
moved AS (
  SELECT
    event_id, occurred_at, json, x, d,
    coalesce(CASE WHEN json->>'$.event_type' = d.kind THEN nullif(d.f, '') END, CASE WHEN json_array_length(d.m) = 2 THEN nullif(d.m->>'$[0]', '') END) AS from_value,
    coalesce(CASE WHEN json->>'$.event_type' = d.kind THEN nullif(d.t, '') END, nullif(d.m->>'$[#-1]', '')) AS to_value
  FROM told
)
SELECT
  event_id, printf('%016x/%s', epoch(occurred_at)::BIGINT, event_id) AS sequence, occurred_at, json->>'$.mid' AS tenant_id,
  x->>'$.object_name' AS object_name, x->>'$.entity_id' AS entity_id, d.dimension AS dimension, from_value, to_value,
  TRY_CAST(x->>'$.scene_type' AS BIGINT) AS reason_code,
  CASE WHEN json->>'$.event_type' = d.kind THEN 'event' WHEN json->>'$.event_type' = 'object_create' THEN 'creation' ELSE 'field_change' END AS origin,
  json->>'$.event_type' AS event_type, json->>'$.action_keyword' AS action_keyword, now() AS ingested_at, 'backfill' AS ingest_source
FROM moved
WHERE from_value IS DISTINCT FROM to_value;
