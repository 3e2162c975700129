-- Every file that backfills have read, with how far they came and what became of its records. A file that was read for
-- several selections of events has a row for each.
--
-- location: The file: an absolute path, a URL (gs://bucket/object), or - for standard input.
-- selection: Which events were wanted, as the flags said; empty for all of them.
-- pieces: How many pieces of it are durable; of a file that was changed and read again, those of both versions.
-- bytes: Size of these pieces; of a compressed file, of what it holds.
-- is_complete: Whether all of it is durable, from its beginning to its end.
-- records: Records in these pieces; the sum of the following.
-- written: Records that became rows.
-- duplicates: Records whose event another record of the same backfill had brought.
-- dead: Records that became dead letters.
-- filtered: Records left out: not wanted, or about a lead that was erased.
-- first_committed_at: When its first piece was durable.
-- last_committed_at: When its last piece was durable.
WITH pieces AS (
  SELECT
    location, selection, start_offset, end_offset, content_digest,
    MAX(CASE WHEN at_end THEN 1 ELSE 0 END) AS at_end, MAX(records) AS records, MAX(written) AS written,
    MAX(duplicates) AS duplicates, MAX(dead) AS dead, MAX(filtered) AS filtered,
    MIN(committed_at) AS first_committed_at, MAX(committed_at) AS last_committed_at
  FROM {{relation "backfill_checkpoints"}}
  -- It keeps every row: tables may refuse a statement without a filter.
  WHERE committed_at >= {{instant "0001-01-01 00:00:00"}}
  GROUP BY location, selection, start_offset, end_offset, content_digest
),
reached AS (
  SELECT
    location, selection, start_offset, end_offset, at_end, records, written, duplicates, dead, filtered,
    first_committed_at, last_committed_at,
    MAX(end_offset) OVER (
      PARTITION BY location, selection ORDER BY start_offset, end_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reached_before,
    MAX(end_offset) OVER (PARTITION BY location, selection) AS reached_last
  FROM pieces
)
SELECT
  location, selection, COUNT(*) AS pieces, CAST(SUM(end_offset - start_offset) AS INT64) AS bytes,
  MAX(CASE WHEN start_offset > COALESCE(reached_before, 0) THEN 1 ELSE 0 END) = 0
    AND MAX(CASE WHEN end_offset = reached_last THEN at_end ELSE 0 END) = 1 AS is_complete,
  CAST(SUM(records) AS INT64) AS records,
  CAST(SUM(written) AS INT64) AS written,
  CAST(SUM(duplicates) AS INT64) AS duplicates,
  CAST(SUM(dead) AS INT64) AS dead,
  CAST(SUM(filtered) AS INT64) AS filtered,
  MIN(first_committed_at) AS first_committed_at, MAX(last_committed_at) AS last_committed_at
FROM reached
GROUP BY location, selection
