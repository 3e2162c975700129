-- Sets an entity's tombstone: from now on no event about it is stored.
INSERT INTO {{relation "erasures"}} (entity_digest, erased_at, worker_version)
VALUES ({{text .Digest}}, {{now}}, {{text .Version}})
