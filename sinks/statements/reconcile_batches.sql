-- The ledger's own books: batches that do not add up, and what all say.
WITH batches AS (
  SELECT *
  FROM {{relation "sync_batches"}}
  WHERE committed_at >= {{instant .Since}} AND committed_at < {{instant .Until}}
  QUALIFY ROW_NUMBER() OVER (PARTITION BY committed_at, batch_id ORDER BY started_at) = 1
),
checked AS (
  SELECT
    batch_id, received, written, duplicates, dead, filtered, committed_at,
    received <> written + duplicates + dead + filtered AS is_unbalanced,
    COALESCE(ARRAY_LENGTH(tallies), 0) = 0 AS is_untallied,
    COALESCE(ARRAY_LENGTH(tallies), 0) > 0 AND (
      written <> (SELECT SUM(t.written) FROM {{unnest "b.tallies" "t"}})
      OR duplicates <> (SELECT SUM(t.duplicates) FROM {{unnest "b.tallies" "t"}})
      OR dead <> (SELECT SUM(t.dead) FROM {{unnest "b.tallies" "t"}})
      OR filtered <> (SELECT SUM(t.filtered) FROM {{unnest "b.tallies" "t"}})
    ) AS is_mistallied
  FROM batches AS b
)
SELECT
  COUNT(*) AS batches,
  CAST(COALESCE(SUM(received), 0) AS INT64) AS received,
  CAST(COALESCE(SUM(written), 0) AS INT64) AS written,
  CAST(COALESCE(SUM(duplicates), 0) AS INT64) AS duplicates,
  CAST(COALESCE(SUM(dead), 0) AS INT64) AS dead,
  CAST(COALESCE(SUM(filtered), 0) AS INT64) AS filtered,
  COUNT(CASE WHEN is_unbalanced OR is_mistallied THEN 1 END) AS wrong,
  MIN(CASE WHEN is_unbalanced OR is_mistallied THEN batch_id END) AS a_wrong_one,
  COUNT(CASE WHEN is_untallied THEN 1 END) AS untallied,
  MAX(CASE WHEN is_untallied THEN committed_at END) AS last_untallied_at,
  (SELECT MAX(erased_at) FROM {{relation "erasures"}} WHERE erased_at >= {{instant "0001-01-01 00:00:00"}}) AS last_erased_at,
  (SELECT COUNT(*) FROM {{relation "erasures"}} WHERE erased_at >= {{instant .Since}}) AS erased
FROM checked
