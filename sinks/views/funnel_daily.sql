-- The funnel day by day: how many leads entered and left each stage, and how many were in it at the end of the
-- day. Only days on which a lead entered or left the stage have a row; voided leads stay where they are.
--
-- @events_log tenant_id
-- day: Day in the source's time zone.
-- life_status: The stage.
-- life_status_label: Label of life_status as last seen.
-- entries: Leads that entered the stage that day; one that entered it twice counts twice.
-- exits: Leads that left the stage that day, for another or for none.
-- leads_at_end: Leads in the stage at the end of the day: all entries up to then minus all exits.
-- converted: Of that day's entries, those that have gone on to another stage since, up to now.
-- conversion: converted / entries, from 0 to 1; NULL on a day without entries.
{{template "flow.tmpl" "life_status"}}
SELECT
  tenant_id,
  day,
  value AS life_status,
  label AS life_status_label,
  entries,
  exits,
  leads_at_end,
  converted,
  converted / NULLIF(entries, 0) AS conversion
FROM flow
