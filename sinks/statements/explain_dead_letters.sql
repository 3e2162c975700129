-- The dead letters whose payload mentions an id, that have it as theirs, or
-- that came of one of some messages, the latest first. The filter on dead_at
-- keeps every row: tables may refuse a statement without one.
SELECT
  dead_letter_id,
  MIN(reason) AS reason,
  MIN(stage) AS stage,
  MIN(error) AS error,
  MIN(fingerprint) AS fingerprint,
  MIN(message_id) AS message_id,
  MIN(dead_at) AS first_dead_at,
  MAX(dead_at) AS last_dead_at,
  MAX(attempts) AS attempts,
  MAX(worker_version) AS worker_version,
  COUNT(*) OVER () AS letters
FROM {{relation "dead_letters"}}
WHERE dead_at >= {{instant "0001-01-01 00:00:00"}}
  AND (
    dead_letter_id = {{text .ID}}
    OR message_id = {{text .ID}}
    OR STRPOS({{readable "payload"}}, {{text .ID}}) > 0
    {{- range .Messages}}
    OR message_id = {{text .}}
    {{- end}}
  )
GROUP BY dead_letter_id
ORDER BY last_dead_at DESC, dead_letter_id
LIMIT 20
