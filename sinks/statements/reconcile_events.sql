-- The events of a span of time, each once.
SELECT DISTINCT event_id, occurred_at, tenant_id, object_name, entity_id, event_type
FROM {{relation "events_log"}}
WHERE occurred_at >= {{instant .From}} AND occurred_at < {{instant .To}}
