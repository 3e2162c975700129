-- The payloads of dead letters that died between two instants, each part of
-- one once: as it was written first.
SELECT d.dead_letter_id, {{member "d.attributes" "leadsync_part"}} AS part, d.payload, d.attributes
FROM {{relation "dead_letters"}} AS d
WHERE d.dead_at >= {{instant .From}} AND d.dead_at <= {{instant .To}}
  AND d.dead_letter_id IN ({{range $i, $id := .IDs}}{{if $i}}, {{end}}{{text $id}}{{end}})
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY d.dead_letter_id, {{member "d.attributes" "leadsync_part"}}
  ORDER BY d.dead_at, COALESCE(d.message_id, '')
) = 1
ORDER BY d.dead_letter_id, part
