-- Fills the column of a promoted field from extra, in the rows that were
-- written without it. The filter on occurred_at keeps every row: tables may
-- refuse a statement without one.
{{$value := printf "NULLIF(%s, '')" (scalar "extra" .Part .Key) -}}
UPDATE {{relation "events_log"}}
SET {{.Column}} = {{$value}}
WHERE occurred_at >= {{instant "0001-01-01 00:00:00"}}
  AND {{.Column}} IS NULL
  AND {{$value}} IS NOT NULL
