package sinks

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"leadsync/transform"
)

// A View is a view that every warehouse has, in one warehouse's SQL.
type View struct {
	Name        string
	Description string
	SQL         string // the query alone, without CREATE VIEW
	Columns     []ViewColumn
	// Materialized asks a warehouse that can to store the view's rows and to
	// keep them up to date by itself; elsewhere it is a view like any other.
	// Its query keeps within what BigQuery's incremental materialized views
	// take: one table of ours and its repeated columns, grouped, with
	// aggregates as they are; no view, no window, no function of the clock.
	Materialized bool
	// ClusterBy names the columns by which stored rows are clustered, the
	// first first. Only a materialized view has them.
	ClusterBy []string
}

// A ViewColumn is one column of a [View].
type ViewColumn struct {
	Name, Description string
}

// viewFiles holds one file a view, named for it, and templates that several
// views share. A view's file opens with comment lines that describe it, an
// empty comment line, and its columns in order:
//
//	-- Every event once.
//	--
//	-- @events_log                    all columns of that table or view
//	-- @events_log event_id tenant_id these of its columns
//	-- is_voided: Whether it is void.
//	--   A longer description goes on like this.
//	-- !materialized cluster by tenant_id, entity_id
//
// The last line, anywhere among the columns, makes the view a materialized one.
// The rest is the query. It names tables and views by the function relation,
// which is also how the order of the views is found.
//
//go:embed views/*.sql views/*.tmpl
var viewFiles embed.FS

// Views returns every view in the dialect's SQL, each after those it reads.
func Views(d Dialect) []View {
	r := viewReader{views: make(map[string]*View)}
	r.files = template.Must(template.New("views").Funcs(d.functions()).Funcs(template.FuncMap{
		"relation": func(name string) string {
			r.read(name)
			return d.Relation(name)
		},
		"columns": func(name string) string {
			return strings.Join(r.names(name), ",\n  ")
		},
		"list":       func(words ...string) []string { return words },
		"join":       strings.Join,
		"dimensions": func() []string { return []string{"owner", "life_status", "lead_pool", "status"} },
		"fields": func() []string {
			return []string{"business_type", "name", "mobile", "email", "title", "department", "industry", "country_region", "official_website"}
		},
	}).ParseFS(viewFiles, "views/*"))
	files, err := viewFiles.ReadDir("views")
	if err != nil {
		panic(fmt.Sprintf("sinks: read views: %v", err))
	}
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".sql"); ok {
			r.read(name)
		}
	}
	return r.done
}

// A viewReader reads the views' files. The files are part of the program, so
// a mistake in one panics.
type viewReader struct {
	files *template.Template
	views map[string]*View // nil while being read
	done  []View
}

// read renders the view of that name, and first those it reads. The name of
// a table is none of its business.
func (r *viewReader) read(name string) {
	if tableNamed(name) != nil {
		return
	}
	if v, seen := r.views[name]; seen {
		if v == nil {
			panic("sinks: view " + name + " reads itself")
		}
		return
	}
	r.views[name] = nil
	var text strings.Builder
	if err := r.files.ExecuteTemplate(&text, name+".sql", nil); err != nil {
		panic(fmt.Sprintf("sinks: render view %s: %v", name, err))
	}
	v := &View{Name: name}
	r.parse(v, strings.TrimSpace(text.String()))
	r.views[name] = v
	r.done = append(r.done, *v)
}

// parse takes the text of a view's file apart.
func (r *viewReader) parse(v *View, text string) {
	var about []string
	described := false
	for {
		line, rest, _ := strings.Cut(text, "\n")
		line, ok := strings.CutPrefix(line, "--")
		if !ok {
			break
		}
		text = rest
		switch line = strings.TrimPrefix(line, " "); {
		case line == "":
			described = true
		case !described:
			about = append(about, line)
		case line[0] == ' ':
			last := &v.Columns[len(v.Columns)-1]
			last.Description += " " + strings.TrimSpace(line)
		case line[0] == '@':
			words := strings.Fields(line[1:])
			v.Columns = append(v.Columns, r.columns(words[0], words[1:])...)
		case line[0] == '!':
			v.materialize(line[1:])
		default:
			name, description, _ := strings.Cut(line, ": ")
			v.Columns = append(v.Columns, ViewColumn{name, description})
		}
	}
	v.Description, v.SQL = strings.Join(about, " "), text
}

// materialize reads the line that makes a view a materialized one.
func (v *View) materialize(line string) {
	by, ok := strings.CutPrefix(line, "materialized cluster by ")
	if !ok {
		panic("sinks: view " + v.Name + ": what is !" + line)
	}
	v.Materialized, v.ClusterBy = true, strings.Split(by, ", ")
}

// columns returns the named columns of a table, of a record of a table
// ("events_log.changes") or of a view, all when none is named.
func (r *viewReader) columns(relation string, names []string) []ViewColumn {
	var all []ViewColumn
	table, record, nested := strings.Cut(relation, ".")
	if t := tableNamed(table); t != nil {
		cols := t.Columns
		if nested {
			cols = t.Column(record).Columns
		}
		for _, c := range cols {
			all = append(all, ViewColumn{c.Name, c.Description})
		}
	} else {
		r.read(relation)
		all = r.views[relation].Columns
	}
	if len(names) == 0 {
		return all
	}
	some := make([]ViewColumn, len(names))
	for i, name := range names {
		at := slices.IndexFunc(all, func(c ViewColumn) bool { return c.Name == name })
		if at < 0 {
			panic("sinks: no column " + name + " in " + relation)
		}
		some[i] = all[at]
	}
	return some
}

func (r *viewReader) names(relation string) []string {
	var names []string
	for _, c := range r.columns(relation, nil) {
		names = append(names, c.Name)
	}
	return names
}

func tableNamed(name string) *transform.Table {
	tables := transform.Tables()
	for i := range tables {
		if tables[i].Name == name {
			return &tables[i]
		}
	}
	return nil
}
