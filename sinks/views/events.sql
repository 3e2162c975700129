-- Every lead and account event once: of several copies the one first ingested, of those that know when the event
-- was published if any does.
--
-- @events_log
SELECT
  {{columns "events_log"}}
FROM {{relation "events_log"}}
-- Copies share all of these: a filter on occurred_at still reads few partitions, one on the others few blocks.
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY occurred_at, event_id, tenant_id, object_name, event_type, entity_id
  ORDER BY {{template "first_copy.tmpl"}}
) = 1
