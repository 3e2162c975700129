-- The deliveries of an entity's events, or of one event's, the one that views
-- show first: at most ten of each event.
SELECT event_id, message_id, published_at, ingested_at, ingest_source, copies
FROM (
  SELECT
    event_id, occurred_at, message_id, published_at, ingested_at, ingest_source,
    ROW_NUMBER() OVER (
      PARTITION BY occurred_at, event_id
      ORDER BY {{template "first_copy.tmpl"}}
    ) AS place,
    COUNT(*) OVER (PARTITION BY occurred_at, event_id) AS copies
  FROM {{relation "events_log"}}
  WHERE {{template "subject.tmpl" .}}
) AS placed
WHERE place <= 10
ORDER BY occurred_at DESC, event_id, place
LIMIT {{.Limit}}
