-- The dead letters whose id begins with a text. Two tell that it is not one.
SELECT s.*
FROM {{relation "dead_letter_status"}} AS s
WHERE STARTS_WITH(s.dead_letter_id, {{text .ID}})
ORDER BY s.dead_letter_id
LIMIT 2
