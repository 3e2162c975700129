-- What the events of a span of time told of transitions, each as the view
-- transitions shows it.
SELECT event_id, dimension, from_value, to_value, origin
FROM {{relation "transitions_log"}}
WHERE occurred_at >= {{instant .From}} AND occurred_at < {{instant .To}}
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY occurred_at, event_id, dimension
  ORDER BY {{template "first_copy.tmpl"}}
) = 1
