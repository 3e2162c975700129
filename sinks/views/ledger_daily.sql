-- The ledger by day and way in: every message received, and what became of it.
--
-- day: Day in the source's time zone on which the batches were committed.
-- @sync_batches ingest_source
-- batches: Batches made durable.
-- workers: Worker processes that wrote them.
-- received: Messages in the batches.
-- written: Messages that became rows.
-- duplicates: Messages whose event had been written already, so that nothing was.
-- dead: Messages that became dead letters.
-- filtered: Messages left out on purpose.
-- is_balanced: Whether received = written + duplicates + dead + filtered in every batch.
-- first_batch_at: When the first of the batches was committed.
-- last_batch_at: When the last of the batches was committed.
WITH batches AS (
  SELECT DISTINCT
    batch_id, worker_id, ingest_source, received, written, duplicates, dead, filtered, committed_at
  FROM {{relation "sync_batches"}}
)
SELECT
  {{day "committed_at"}} AS day,
  ingest_source,
  COUNT(DISTINCT batch_id) AS batches,
  COUNT(DISTINCT worker_id) AS workers,
  CAST(SUM(received) AS INT64) AS received,
  CAST(SUM(written) AS INT64) AS written,
  CAST(SUM(duplicates) AS INT64) AS duplicates,
  CAST(SUM(dead) AS INT64) AS dead,
  CAST(SUM(filtered) AS INT64) AS filtered,
  COUNT(CASE WHEN received <> written + duplicates + dead + filtered THEN 1 END) = 0 AS is_balanced,
  MIN(committed_at) AS first_batch_at,
  MAX(committed_at) AS last_batch_at
FROM batches
GROUP BY day, ingest_source
