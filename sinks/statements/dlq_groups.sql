-- Dead letters by fingerprint, those with the most open ones first. Each group
-- has the letter that shows its cause best: an open one with little payload.
-- One group more than is wanted tells that there are more.
WITH grouped AS (
  SELECT
    s.fingerprint, s.reason, s.stage, s.error, s.dead_letter_id, s.payload_bytes,
    s.first_dead_at AS letter_first_dead_at, s.last_dead_at AS letter_last_dead_at,
    COUNT(*) OVER (PARTITION BY s.fingerprint) AS letters,
    COUNT(CASE WHEN s.is_open THEN 1 END) OVER (PARTITION BY s.fingerprint) AS open_letters,
    MIN(s.first_dead_at) OVER (PARTITION BY s.fingerprint) AS first_seen_at,
    MAX(s.last_dead_at) OVER (PARTITION BY s.fingerprint) AS last_seen_at,
    ROW_NUMBER() OVER (PARTITION BY s.fingerprint ORDER BY s.is_open DESC, s.payload_bytes, s.dead_letter_id) AS place
  FROM {{relation "dead_letter_status"}} AS s
  WHERE TRUE
  {{- template "dlq_filter.tmpl" .}}
)
SELECT *
FROM grouped
WHERE place = 1{{if not .All}} AND open_letters > 0{{end}}
ORDER BY open_letters DESC, last_seen_at DESC, fingerprint
LIMIT {{.Limit}}
