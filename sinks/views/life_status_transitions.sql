{{template "dimension.tmpl" "life_status"}}
