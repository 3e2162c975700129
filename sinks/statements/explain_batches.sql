-- The batches of the ledger that may have brought copies of events: of the
-- same source, open when the copy was made, committed within a week of it, and
-- with an event before and one after, or that one. A batch that could be many
-- copies' comes once.
SELECT batch_id, worker_id, worker_version, ingest_source, min_occurred_at, max_occurred_at, started_at, committed_at
FROM {{relation "sync_batches"}}
WHERE committed_at BETWEEN {{instant .From}} AND {{instant .To}}
  AND (
    {{- range $i, $c := .Copies}}
    {{if $i}}OR {{end}}(
      ingest_source = {{text $c.Source}}
      AND committed_at BETWEEN {{instant $c.Ingested}} AND {{instant $c.Until}}
      AND started_at <= {{instant $c.Ingested}}
      AND min_occurred_at <= {{instant $c.Occurred}} AND max_occurred_at >= {{instant $c.Occurred}}
    )
    {{- end}}
  )
ORDER BY committed_at, batch_id
LIMIT 1000
