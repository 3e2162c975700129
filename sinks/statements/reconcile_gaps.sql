-- The gaps in the transitions by the UTC day on which they ended. What came
-- before a transition decides what it is, so the whole story is read.
SELECT {{day_utc "gap_ended_at"}} AS event_day, dimension, COUNT(*) AS gaps
FROM {{relation "transition_gaps"}}
WHERE gap_ended_at >= {{instant .Since}} AND gap_ended_at < {{instant .Until}}
GROUP BY event_day, dimension
ORDER BY event_day, dimension
