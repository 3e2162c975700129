# Flat rows of lead events, as somebody with jq at hand would write them: the
# columns that analysts ask for first, and a row for each transition.
def filled: if . == "" or . == null then null else tostring end;
def change($m; $k): $m[$k] // null | if type == "array" then (if length == 1 then [null, .[0]] else [.[0], .[1]] end) else null end;
. as $e | ($e.extra_data | if type == "object" then . else {} end) as $x | ($x.mapping_data | if type == "object" then . else {} end) as $m
| {
    table: "events_log", occurred_at: ($e.create_time | tonumber), tenant_id: ($e.mid | filled), event_type: $e.event_type,
    action_keyword: ($e.action_keyword | filled), object_name: ($x.object_name | filled), entity_id: ($x.entity_id | filled),
    operator_type: $x.operator_type, operator_id: ($x.operator_id | filled), owner: ($x.owner | filled),
    life_status: ($x.life_status | filled), notes: ($x.notes | filled), business_type: ($x.business_type | filled),
    login_platform: ($x.login_platform | filled), login_environment: ($x.login_environment | filled),
    mapping_data: $x.mapping_data, mapping_data_text: $x.mapping_data_text, timeline_data: $x.timeline_data,
    changes: [$m | to_entries[] | {field: .key, value: .value}]
  },
  ( [["owner", $x.former_owner, $x.owner, "object_change_owner", "owner"],
     ["life_status", $x.from_life_status, $x.to_life_status, "object_update_life_cycle", "life_status"],
     ["lead_pool", $x.from_lead_pool, $x.to_lead_pool, "object_change_lead_pool", "lead_pool"],
     ["status", $x.from_leads_status, $x.to_leads_status, "object_update_status", "leads_status"]][]
    | . as $d | change($m; $d[4]) as $c
    | (if $e.event_type == $d[3] then [($d[1] | filled) // ($c // [])[0], ($d[2] | filled) // ($c // [])[1]] else $c end)
    | select(. != null and .[0] != .[1])
    | {table: "transitions_log", occurred_at: ($e.create_time | tonumber), tenant_id: ($e.mid | filled), entity_id: $x.entity_id,
       dimension: $d[0], from_value: .[0], to_value: .[1], event_type: $e.event_type} )
