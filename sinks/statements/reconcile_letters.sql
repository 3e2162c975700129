-- The dead letters that the ledger tells of, against those that are stored, by
-- the UTC day on which they died. A letter is stored after its batch was
-- started and before the ledger tells of it, so that the letters of an interval
-- are at least as many as those of the batches within it: in every minute, on
-- every day, and in the whole range. The row without a day has the batches that
-- lie within no day. A batch that took no time was one whose clock was set back
-- meanwhile.
WITH erased AS (
  SELECT COALESCE(MAX(erased_at) + INTERVAL 1 HOUR, {{instant "0001-01-01 00:00:00"}}) AS until_at
  FROM {{relation "erasures"}}
  WHERE erased_at >= {{instant "0001-01-01 00:00:00"}}
),
batches AS (
  SELECT
    b.dead,
    CASE
      WHEN {{day_utc "b.started_at"}} = {{day_utc "b.committed_at"}} AND b.started_at < b.committed_at THEN {{day_utc "b.started_at"}}
    END AS dead_day,
    CASE
      WHEN {{minute "b.started_at"}} = {{minute "b.committed_at"}} AND b.started_at < b.committed_at THEN {{minute "b.started_at"}}
    END AS made_in,
    {{minute "b.started_at"}} > erased.until_at AS is_recent
  FROM {{relation "sync_batches"}} AS b
  CROSS JOIN erased
  WHERE b.committed_at >= {{instant .Since}} AND b.committed_at < {{instant .Until}} AND b.started_at >= {{instant .Since}}
  QUALIFY ROW_NUMBER() OVER (PARTITION BY b.committed_at, b.batch_id ORDER BY b.started_at) = 1
),
ledgered AS (
  SELECT dead_day, made_in, is_recent, SUM(dead) AS dead
  FROM batches
  WHERE dead > 0
  GROUP BY dead_day, made_in, is_recent
),
stored AS (
  SELECT
    {{day_utc "d.dead_at"}} AS dead_day, {{minute "d.dead_at"}} AS made_in,
    {{minute "d.dead_at"}} > erased.until_at AS is_recent,
    COUNT(*) AS letters
  FROM {{relation "dead_letters"}} AS d
  CROSS JOIN erased
  WHERE d.dead_at >= {{instant .Since}} AND d.dead_at < {{instant .Until}}
    AND COALESCE({{member "d.attributes" "leadsync_part"}}, '1/1') LIKE '1/%'
  GROUP BY dead_day, made_in, is_recent
),
parts AS (
  SELECT
    dead_day, dead, CASE WHEN is_recent THEN dead ELSE 0 END AS dead_since,
    0 AS letters, 0 AS letters_since, 0 AS short, 0 AS short_since
  FROM ledgered
  UNION ALL
  SELECT dead_day, 0, 0, letters, CASE WHEN is_recent THEN letters ELSE 0 END, 0, 0
  FROM stored
  UNION ALL
  SELECT
    l.dead_day, 0, 0, 0, 0,
    GREATEST(l.dead - COALESCE(s.letters, 0), 0),
    CASE WHEN l.is_recent THEN GREATEST(l.dead - COALESCE(s.letters, 0), 0) ELSE 0 END
  FROM ledgered AS l
  LEFT JOIN stored AS s ON s.made_in = l.made_in
  WHERE l.made_in IS NOT NULL
)
SELECT
  dead_day,
  CAST(SUM(dead) AS INT64) AS dead,
  CAST(SUM(dead_since) AS INT64) AS dead_since,
  CAST(SUM(letters) AS INT64) AS letters,
  CAST(SUM(letters_since) AS INT64) AS letters_since,
  CAST(SUM(short) AS INT64) AS short,
  CAST(SUM(short_since) AS INT64) AS short_since
FROM parts
GROUP BY dead_day
ORDER BY dead_day
