-- The tombstones.
SELECT entity_digest FROM {{relation "erasures"}}
