{{template "dimension.tmpl" "lead_pool"}}
