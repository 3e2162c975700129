{{template "entity.tmpl" "account"}}
