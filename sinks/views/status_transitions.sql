{{template "dimension.tmpl" "status"}}
