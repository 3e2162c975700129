-- The tombstones, as commands and the embedded warehouse's worker read them;
-- on BigQuery a worker lists the table, which is no statement. The filter keeps
-- every row: tables may refuse a statement without one.
SELECT entity_digest FROM {{relation "erasures"}}
WHERE erased_at >= {{instant "0001-01-01 00:00:00"}}
