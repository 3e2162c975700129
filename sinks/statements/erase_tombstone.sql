-- Sets the tombstones of an entity and of its users: from now on no event about
-- them is stored. It goes before the events, by which the users are found.
INSERT INTO {{relation "erasures"}} (entity_digest, erased_at, worker_version)
SELECT digest, {{now}}, {{text .Version}}
FROM (
  SELECT {{text .Digest}} AS digest
  UNION DISTINCT
  SELECT {{digest "lead_omni_user_uuid"}} FROM {{relation "events_log"}}
  WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
    AND entity_id = {{text .ID}} AND lead_omni_user_uuid IS NOT NULL
) AS digests
