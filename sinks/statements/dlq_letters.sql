-- A page of the open dead letters that died before an instant, in the order in
-- which they died first: those that follow a letter, if one is given.
SELECT
  s.dead_letter_id, s.reason, s.stage, s.error, s.fingerprint, s.message_id, s.published_at, s.first_dead_at, s.last_dead_at,
  s.payload_bytes, s.replays, s.last_outcome, s.last_replay_version
FROM {{relation "dead_letter_status"}} AS s
WHERE s.is_open AND s.first_dead_at <= {{instant .Until}}
{{- template "dlq_filter.tmpl" .}}
{{- if .After}}
  AND (s.first_dead_at > {{instant .After}} OR s.first_dead_at = {{instant .After}} AND s.dead_letter_id > {{text .AfterID}})
{{- end}}
ORDER BY s.first_dead_at, s.dead_letter_id
LIMIT {{.Limit}}
