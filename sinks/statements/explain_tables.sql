-- How many rows the tables have and when the latest of each was. The filters
-- keep every row: tables may refuse a statement without one.
SELECT 'events_log' AS name, COUNT(*) AS number, MAX(occurred_at) AS latest
FROM {{relation "events_log"}} WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
UNION ALL
SELECT 'transitions_log', COUNT(*), MAX(occurred_at)
FROM {{relation "transitions_log"}} WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
UNION ALL
SELECT 'dead_letters', COUNT(*), MAX(dead_at)
FROM {{relation "dead_letters"}} WHERE dead_at >= {{instant "0001-01-01 00:00:00"}}
UNION ALL
SELECT 'sync_batches', COUNT(*), MAX(committed_at)
FROM {{relation "sync_batches"}} WHERE committed_at >= {{instant "0001-01-01 00:00:00"}}
UNION ALL
SELECT 'erasures', COUNT(*), MAX(erased_at)
FROM {{relation "erasures"}} WHERE erased_at >= {{instant "0001-01-01 00:00:00"}}
