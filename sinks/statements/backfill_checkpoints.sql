-- What backfills have read of the events that are wanted now, or of all events.
SELECT location, version, start_offset, end_offset, at_end, content_digest
FROM {{relation "backfill_checkpoints"}}
-- It keeps every row: tables may refuse a statement without a filter.
WHERE committed_at >= {{instant "0001-01-01 00:00:00"}}
  AND selection IN ('', {{text .Selection}})
GROUP BY location, version, start_offset, end_offset, at_end, content_digest
