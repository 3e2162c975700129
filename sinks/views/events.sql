-- Every lead and account event once: of several copies the one first ingested.
--
-- @events_log
SELECT
  {{columns "events_log"}}
FROM {{relation "events_log"}}
-- Copies share the day, so a filter on occurred_at still reads few partitions.
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY occurred_at, event_id
  ORDER BY {{template "first_copy.tmpl"}}
) = 1
