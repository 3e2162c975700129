-- How long leads stay in each stage. A percentile is the value of a stay: the shortest that is no shorter than
-- that share of all. Where a change never reached us a stay lasts up to the next one that did.
--
-- @events_log tenant_id
-- life_status: The stage.
-- life_status_label: Label of life_status as last seen.
-- stays: Stays that have ended; a lead that came back has several.
-- median_seconds: Median length of those, in whole seconds; NULL when there is none.
-- p90_seconds: Nine of ten of those were no longer than this, in whole seconds.
-- mean_seconds: Mean length of those, in seconds with a fraction.
-- open_stays: Stays that have not ended, those of voided leads included.
-- median_open_seconds: Median age of those, in whole seconds up to now.
WITH stays AS (
  SELECT
    tenant_id,
    to_life_status AS life_status,
    to_life_status_label_now AS life_status_label,
    is_current,
    COALESCE(dwell_seconds, {{seconds "entered_at" now}}) AS seconds
  FROM {{relation "life_status_transitions"}}
  WHERE object_name = 'lead' AND to_life_status IS NOT NULL
),
placed AS (
  SELECT *,
    ROW_NUMBER() OVER (PARTITION BY tenant_id, life_status, is_current ORDER BY seconds) AS place,
    COUNT(*) OVER (PARTITION BY tenant_id, life_status, is_current) AS total
  FROM stays
)
SELECT
  tenant_id,
  life_status,
  life_status_label,
  COUNT(CASE WHEN NOT is_current THEN 1 END) AS stays,
  MIN(CASE WHEN NOT is_current AND place * 2 >= total THEN seconds END) AS median_seconds,
  MIN(CASE WHEN NOT is_current AND place * 10 >= total * 9 THEN seconds END) AS p90_seconds,
  AVG(CASE WHEN NOT is_current THEN seconds END) AS mean_seconds,
  COUNT(CASE WHEN is_current THEN 1 END) AS open_stays,
  MIN(CASE WHEN is_current AND place * 2 >= total THEN seconds END) AS median_open_seconds
FROM placed
GROUP BY tenant_id, life_status, life_status_label
