-- Deletes the dead letters whose payload holds an entity's id as a whole word,
-- or counts them: all rows of a letter, also when its parts share the word
-- between them. Only a payload above 4 MiB has parts. An x stands where text
-- was cut off here, so that the cut is no end of a word; the end of a part is
-- one. The filter on dead_at keeps every row: tables may refuse a statement
-- without one.
{{if .Count}}SELECT COUNT(*) AS found{{else}}DELETE{{end}} FROM {{relation "dead_letters"}}
WHERE dead_at >= {{instant "0001-01-01 00:00:00"}}
  AND dead_letter_id IN (
    SELECT dead_letter_id FROM {{relation "dead_letters"}}
    WHERE dead_at >= {{instant "0001-01-01 00:00:00"}} AND {{matches (readable "payload") (text .Word)}}
    UNION ALL
    SELECT one.dead_letter_id
    FROM (
      SELECT dead_letter_id, {{readable "payload"}} AS part FROM {{relation "dead_letters"}}
      WHERE dead_at >= {{instant "0001-01-01 00:00:00"}} AND OCTET_LENGTH(payload) > 1000000
    ) AS one
    JOIN (
      SELECT dead_letter_id, {{readable "payload"}} AS part FROM {{relation "dead_letters"}}
      WHERE dead_at >= {{instant "0001-01-01 00:00:00"}}
    ) AS other
    ON other.dead_letter_id = one.dead_letter_id AND other.part <> one.part
    WHERE {{matches "CONCAT('x', RIGHT(one.part, 300), LEFT(other.part, 300), CASE WHEN LENGTH(other.part) > 300 THEN 'x' ELSE '' END)" (text .Word)}}
  )
