{{- $carried := list "owner" "life_status" "business_type" -}}
-- Every version of every lead, in the columns of Fivetran's history mode, so that models written for it read
-- ours: one row per version, from the second in which something of the lead changed to a millisecond before the
-- next. Versions of a lead neither overlap nor leave holes; the last one is the lead as leads shows it. For the
-- leads as they were at an instant: WHERE instant BETWEEN _fivetran_start AND _fivetran_end.
--
-- id: Id of the lead, elsewhere entity_id.
-- @events_log tenant_id
{{- range dimensions}}
-- {{.}}: The {{.}} at the time, by the transitions
{{- if or (eq . "owner") (eq . "life_status")}}; before the first of them, the latest that an event carried{{end}}.
-- {{.}}_label: Label that came with {{.}}; where it came without, one that the lead's events tell elsewhere.
{{- end}}
{{- range fields}}
-- {{.}}: Value of the field {{.}} at the time; NULL when it was emptied or not set yet.
-- {{.}}_label: Label of {{.}} at the time.
{{- end}}
-- is_deleted: Whether it was voided and not restored by then.
-- @leads created_at
-- _fivetran_start: When the version began. The first begins with the first event about the lead.
-- _fivetran_end: A millisecond before the next version began; 9999-12-31 23:59:59.999 UTC while it lasts.
-- _fivetran_active: Whether it is the lead's version now.
-- _fivetran_synced: When leadsync last took in an event about the lead: no version of it changed since.
WITH {{template "labelled.tmpl" "lead"}},
-- Copies change nothing in what a second said, so the table is read as it is.
heard AS (
  SELECT
    tenant_id,
    entity_id,
    occurred_at,
    {{template "carried.tmpl"}}
  FROM {{relation "events_log"}}
  WHERE object_name = 'lead' AND entity_id IS NOT NULL
  GROUP BY tenant_id, entity_id, occurred_at
),
-- What each second said in the end; the empty text stands for taken away, emptied, without a label.
said AS (
  SELECT tenant_id, entity_id, occurred_at, dimension AS attribute, COALESCE(to_value, '') AS value, COALESCE(label, '') AS label
  FROM labelled
  WHERE NOT is_repeat AND (exited_at IS NULL OR exited_at > occurred_at)
  UNION ALL
  SELECT
    e.tenant_id, e.entity_id, e.occurred_at, c.field,
    {{template "latest_change.tmpl" "value"}},
    {{template "latest_change.tmpl" "label"}}
  FROM {{relation "events_log"}} AS e, {{unnest "e.changes" "c"}}
  WHERE e.object_name = 'lead' AND c.field IN ('{{join fields "', '"}}')
  GROUP BY e.tenant_id, e.entity_id, e.occurred_at, c.field
  UNION ALL
  SELECT
    tenant_id, entity_id, occurred_at, attribute,
    CASE attribute
      {{- range $carried}}
      WHEN 'carried_{{.}}' THEN {{.}}
      {{- end}}
      WHEN 'is_deleted' THEN CASE
        WHEN voided_sequence > COALESCE(restored_sequence, '') THEN 'yes'
        WHEN restored_sequence IS NOT NULL THEN 'no'
      END
    END,
    CASE attribute WHEN 'carried_business_type' THEN business_type_name END
  FROM heard, {{unnest "['carried_owner', 'carried_life_status', 'carried_business_type', 'is_deleted']" "attribute"}}
),
seconds AS (
  SELECT
    tenant_id,
    entity_id,
    occurred_at,
    {{- range dimensions}}
    MAX(CASE WHEN attribute = '{{.}}' THEN value END) AS {{.}},
    MAX(CASE WHEN attribute = '{{.}}' THEN label END) AS {{.}}_label,
    {{- end}}
    {{- range fields}}
    MAX(CASE WHEN attribute = '{{.}}' THEN value END) AS {{.}},
    MAX(CASE WHEN attribute = '{{.}}' THEN label END) AS {{.}}_label,
    {{- end}}
    {{- range $carried}}
    MAX(CASE WHEN attribute = 'carried_{{.}}' THEN value END) AS carried_{{.}},
    {{- end}}
    MAX(CASE WHEN attribute = 'carried_business_type' THEN label END) AS carried_business_type_label,
    MAX(CASE WHEN attribute = 'is_deleted' THEN value END) AS is_deleted
  FROM said
  GROUP BY tenant_id, entity_id, occurred_at
),
-- What a second did not speak of is as it was before.
held AS (
  SELECT
    tenant_id,
    entity_id,
    occurred_at,
    {{- range dimensions}}
    LAST_VALUE({{.}} IGNORE NULLS) OVER story AS {{.}},
    LAST_VALUE({{.}}_label IGNORE NULLS) OVER story AS {{.}}_label,
    {{- end}}
    {{- range fields}}
    LAST_VALUE({{.}} IGNORE NULLS) OVER story AS {{.}},
    LAST_VALUE({{.}}_label IGNORE NULLS) OVER story AS {{.}}_label,
    {{- end}}
    {{- range $carried}}
    LAST_VALUE(carried_{{.}} IGNORE NULLS) OVER story AS carried_{{.}},
    {{- end}}
    LAST_VALUE(carried_business_type_label IGNORE NULLS) OVER story AS carried_business_type_label,
    COALESCE(LAST_VALUE(is_deleted IGNORE NULLS) OVER story, 'no') = 'yes' AS is_deleted
  FROM seconds
  WINDOW story AS (
    PARTITION BY tenant_id, entity_id
    ORDER BY occurred_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  )
),
-- What events merely carried stands behind what transitions and changes told up to then.
states AS (
  SELECT
    tenant_id,
    entity_id,
    occurred_at,
    {{- range list "owner" "life_status"}}
    NULLIF(COALESCE({{.}}, carried_{{.}}), '') AS {{.}},
    NULLIF({{.}}_label, '') AS {{.}}_label,
    {{- end}}
    {{- range list "lead_pool" "status"}}
    NULLIF({{.}}, '') AS {{.}},
    NULLIF({{.}}_label, '') AS {{.}}_label,
    {{- end}}
    {{- range fields}}{{if eq . "business_type"}}
    NULLIF(COALESCE({{.}}, carried_{{.}}), '') AS {{.}},
    NULLIF(COALESCE({{.}}_label, carried_{{.}}_label), '') AS {{.}}_label,
    {{- else}}
    NULLIF({{.}}, '') AS {{.}},
    NULLIF({{.}}_label, '') AS {{.}}_label,
    {{- end}}{{end}}
    is_deleted
  FROM held
),
compared AS (
  SELECT *,
    LAG(occurred_at) OVER story IS NULL
    {{- range dimensions}}
    OR {{.}} IS DISTINCT FROM LAG({{.}}) OVER story
    OR {{.}}_label IS DISTINCT FROM LAG({{.}}_label) OVER story
    {{- end}}
    {{- range fields}}
    OR {{.}} IS DISTINCT FROM LAG({{.}}) OVER story
    OR {{.}}_label IS DISTINCT FROM LAG({{.}}_label) OVER story
    {{- end}}
    OR is_deleted IS DISTINCT FROM LAG(is_deleted) OVER story AS begins
  FROM states
  WINDOW story AS (PARTITION BY tenant_id, entity_id ORDER BY occurred_at)
),
versions AS (
  SELECT *, LEAD(occurred_at) OVER (PARTITION BY tenant_id, entity_id ORDER BY occurred_at) AS next_at
  FROM compared
  WHERE begins
)
SELECT
  v.entity_id AS id,
  v.tenant_id,
  {{- range dimensions}}
  v.{{.}},
  v.{{.}}_label,
  {{- end}}
  {{- range fields}}
  v.{{.}},
  v.{{.}}_label,
  {{- end}}
  v.is_deleted,
  COALESCE(e.entity_created_at, e.object_create_at) AS created_at,
  v.occurred_at AS _fivetran_start,
  COALESCE({{just_before "v.next_at"}}, {{instant "9999-12-31 23:59:59.999"}}) AS _fivetran_end,
  v.next_at IS NULL AS _fivetran_active,
  e.last_ingested_at AS _fivetran_synced
FROM versions AS v
JOIN {{relation "entity_state"}} AS e
  ON e.tenant_id = v.tenant_id AND e.entity_id = v.entity_id AND e.object_name = 'lead'
