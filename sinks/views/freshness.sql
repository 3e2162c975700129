-- How long events took from being published to being queryable, by day and type. An event is queryable when the
-- batch that wrote it was committed. A row does not name its batch: it is the one of the ledger that was open when
-- the row was made and spans the event's time; of several the one committed last, so that the figures never
-- flatter. While the ledger does not have the batch yet, the time when the row was made counts. An event that was
-- a dead letter and was replayed is not counted, as none is that still is one: its delay would tell when somebody
-- mended the cause. dead_letter_status has it.
--
-- @events_log tenant_id
-- day: Day of publishing in the source's time zone.
-- @events_log event_type
-- events: Events published that day. One without a publish time, from a backfill of files, is not counted.
-- within_60_seconds: Of those, the ones queryable within 60 seconds of publishing.
-- share_within_60_seconds: within_60_seconds / events, from 0 to 1.
-- median_seconds: Median time from publishing to queryable, in seconds to the millisecond.
-- p90_seconds: Nine of ten took no longer than this, in seconds to the millisecond.
-- max_seconds: The longest time from publishing to queryable, in seconds to the millisecond.
WITH batches AS (
  SELECT DISTINCT ingest_source, min_occurred_at, max_occurred_at, started_at, committed_at
  FROM {{relation "sync_batches"}}
  WHERE written > 0
),
-- An event meets the few batches of its second rather than all.
open_batches AS (
  SELECT b.ingest_source, b.min_occurred_at, b.max_occurred_at, b.started_at, b.committed_at, open_second
  FROM batches AS b, {{unnest (each_second "b.started_at" "b.committed_at") "open_second"}}
),
timed AS (
  SELECT
    e.event_id,
    e.tenant_id,
    e.event_type,
    e.published_at,
    COALESCE(MAX(b.committed_at), e.ingested_at) AS queryable_at
  FROM {{relation "events"}} AS e
  LEFT JOIN open_batches AS b
    ON b.ingest_source = e.ingest_source AND b.open_second = {{second "e.ingested_at"}}
    AND b.started_at <= e.ingested_at AND e.ingested_at <= b.committed_at
    AND b.min_occurred_at <= e.occurred_at AND e.occurred_at <= b.max_occurred_at
  WHERE e.published_at IS NOT NULL AND e.ingest_source IS DISTINCT FROM 'replay'
  GROUP BY e.event_id, e.tenant_id, e.event_type, e.published_at, e.ingested_at
),
delays AS (
  SELECT
    tenant_id,
    {{day "published_at"}} AS day,
    event_type,
    queryable_at <= published_at + INTERVAL 60 SECOND AS is_within,
    {{milliseconds "published_at" "queryable_at"}} AS delay
  FROM timed
),
placed AS (
  SELECT *,
    ROW_NUMBER() OVER (PARTITION BY tenant_id, day, event_type ORDER BY delay) AS place,
    COUNT(*) OVER (PARTITION BY tenant_id, day, event_type) AS total
  FROM delays
)
SELECT
  tenant_id,
  day,
  event_type,
  COUNT(*) AS events,
  COUNT(CASE WHEN is_within THEN 1 END) AS within_60_seconds,
  COUNT(CASE WHEN is_within THEN 1 END) / COUNT(*) AS share_within_60_seconds,
  MIN(CASE WHEN place * 2 >= total THEN delay END) / 1000 AS median_seconds,
  MIN(CASE WHEN place * 10 >= total * 9 THEN delay END) / 1000 AS p90_seconds,
  MAX(delay) / 1000 AS max_seconds
FROM placed
GROUP BY tenant_id, day, event_type
