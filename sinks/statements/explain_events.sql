-- The latest events of an entity, or one event, as the view events shows them.
-- The view itself would read the others' rows too.
SELECT event_id, sequence, {{join .Columns ", "}}
FROM (
  SELECT *
  FROM {{relation "events_log"}}
  WHERE {{template "subject.tmpl" .}}
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY occurred_at, event_id
    ORDER BY {{template "first_copy.tmpl"}}
  ) = 1
) AS shown
ORDER BY occurred_at DESC, sequence DESC, event_id DESC
LIMIT {{.Limit}}
