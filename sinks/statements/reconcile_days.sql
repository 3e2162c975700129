-- The view completeness_daily for a range of days. It reads no partition of
-- events_log outside of it.
{{template "completeness.tmpl" .}}
