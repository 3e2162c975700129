-- What flows into the lead pools and out of them, day by day. Only days on which a lead came or went have a row;
-- voided leads stay where they are.
--
-- @events_log tenant_id
-- day: Day in the source's time zone.
-- lead_pool: The pool.
-- lead_pool_label: Label of lead_pool as last seen.
-- leads_in: Leads that came into the pool that day; one that came twice counts twice.
-- leads_out: Leads that left the pool that day.
-- net: leads_in minus leads_out.
-- leads_at_end: Leads in the pool at the end of the day: all that came up to then minus all that left.
{{template "flow.tmpl" "lead_pool"}}
SELECT
  tenant_id,
  day,
  value AS lead_pool,
  label AS lead_pool_label,
  entries AS leads_in,
  exits AS leads_out,
  entries - exits AS net,
  leads_at_end
FROM flow
