-- Every replay of a dead letter, in order. The filter on replayed_at keeps
-- every row: tables may refuse a statement without one.
SELECT DISTINCT replayed_at, outcome, event_id, reason, fingerprint, worker_version
FROM {{relation "dead_letter_replays"}}
WHERE replayed_at >= {{instant "0001-01-01 00:00:00"}} AND dead_letter_id = {{text .ID}}
ORDER BY replayed_at
LIMIT 1000
