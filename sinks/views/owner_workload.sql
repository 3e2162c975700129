-- What every owner has to look after, and how much came and went lately. Owners who have no lead now but had one
-- are rows too. The last 30 days are the 720 hours up to now.
--
-- @events_log tenant_id
-- owner: Person in charge of leads.
-- owner_label: Label of owner as last seen.
-- leads: Leads of theirs now that are not voided, as in the view leads.
-- gained_30_days: Times that a lead became theirs in the last 30 days.
-- lost_30_days: Times that a lead was no longer theirs in the last 30 days.
-- follow_ups_30_days: Events in the last 30 days that count as following up on a lead that was theirs at the
--   time: by the owner that the event itself names, else by the transitions. Who acted is not told by owner's id,
--   so it may have been somebody else.
-- last_gained_at: When a lead last became theirs; NULL where no transition tells.
-- median_seconds_held: Median time that a lead stayed theirs, of the times that have ended, in whole seconds; NULL
--   when there is none.
WITH held AS (
  SELECT
    tenant_id,
    entity_id,
    to_owner AS owner,
    entered_at,
    exited_at,
    dwell_seconds,
    ROW_NUMBER() OVER (PARTITION BY tenant_id, to_owner, is_current ORDER BY dwell_seconds) AS place,
    COUNT(*) OVER (PARTITION BY tenant_id, to_owner, is_current) AS total
  FROM {{relation "owner_transitions"}}
  WHERE object_name = 'lead' AND to_owner IS NOT NULL
),
histories AS (
  SELECT
    tenant_id,
    owner,
    COUNT(CASE WHEN entered_at > {{now}} - INTERVAL 720 HOUR AND entered_at <= {{now}} THEN 1 END) AS gained,
    COUNT(CASE WHEN exited_at > {{now}} - INTERVAL 720 HOUR AND exited_at <= {{now}} THEN 1 END) AS lost,
    MAX(entered_at) AS last_gained_at,
    MIN(CASE WHEN place * 2 >= total THEN dwell_seconds END) AS median_seconds_held
  FROM held
  GROUP BY tenant_id, owner
),
followed AS (
  SELECT e.tenant_id, COALESCE(e.owner, h.owner) AS owner, COUNT(*) AS follow_ups
  FROM {{relation "events"}} AS e
  LEFT JOIN held AS h
    ON h.tenant_id = e.tenant_id AND h.entity_id = e.entity_id
    AND h.entered_at <= e.occurred_at AND (h.exited_at IS NULL OR h.exited_at > e.occurred_at)
  WHERE e.object_name = 'lead' AND e.is_follow_up
    AND e.occurred_at > {{now}} - INTERVAL 720 HOUR AND e.occurred_at <= {{now}}
  GROUP BY 1, 2
),
owned AS (
  SELECT tenant_id, owner, COUNT(CASE WHEN NOT is_voided THEN 1 END) AS leads
  FROM {{relation "leads"}}
  GROUP BY tenant_id, owner
)
SELECT
  v.tenant_id,
  v.value AS owner,
  v.label AS owner_label,
  COALESCE(o.leads, 0) AS leads,
  COALESCE(h.gained, 0) AS gained_30_days,
  COALESCE(h.lost, 0) AS lost_30_days,
  COALESCE(f.follow_ups, 0) AS follow_ups_30_days,
  h.last_gained_at,
  h.median_seconds_held
FROM {{relation "dim_values"}} AS v
LEFT JOIN owned AS o ON o.tenant_id = v.tenant_id AND o.owner = v.value
LEFT JOIN histories AS h ON h.tenant_id = v.tenant_id AND h.owner = v.value
LEFT JOIN followed AS f ON f.tenant_id = v.tenant_id AND f.owner = v.value
WHERE v.dimension = 'owner' AND COALESCE(o.owner, h.owner, f.owner) IS NOT NULL
