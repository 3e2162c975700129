{{template "entity.tmpl" "lead"}}
