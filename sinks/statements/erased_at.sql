-- When an entity was first erased; NULL if it never was.
SELECT MIN(erased_at) AS erased_at FROM {{relation "erasures"}}
WHERE erased_at >= {{instant "0001-01-01 00:00:00"}} AND entity_digest = {{text .Digest}}
