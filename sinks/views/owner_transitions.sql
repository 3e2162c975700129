{{template "dimension.tmpl" "owner"}}
