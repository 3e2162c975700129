-- The payloads of dead letters that stand in one row: an event that can be
-- compared is smaller than that.
SELECT DISTINCT payload
FROM {{relation "dead_letters"}}
WHERE dead_at >= {{instant "0001-01-01 00:00:00"}} AND {{member "attributes" "leadsync_part"}} IS NULL
