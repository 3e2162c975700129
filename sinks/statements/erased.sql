-- The tombstones, as the embedded warehouse reads them; BigQuery lists the
-- table, which is no statement.
SELECT entity_digest FROM {{relation "erasures"}}
