package sinks

import (
	"embed"
	"fmt"
	"maps"
	"strings"
	"text/template"
)

// statementFiles holds the statements that commands run, one file each, in
// the same notation as the views. A file's comment lines at the top describe
// it and are not part of the statement.
//
//go:embed statements
var statementFiles embed.FS

// Statement returns the statement of that name in the dialect's SQL. data is
// what its file asks for, a struct or a map; text from outside is written by
// the function text, never bare. A name or data that the file does not fit is
// a mistake in the program and panics.
func Statement(d Dialect, name string, data any) string {
	functions := d.functions()
	maps.Copy(functions, template.FuncMap{"join": strings.Join})
	t, err := template.New("statements").Option("missingkey=error").Funcs(functions).ParseFS(statementFiles, "statements/"+name+".sql", "statements/*.tmpl")
	if err == nil { // which copy of an event views show is said once, and what is complete
		t, err = t.ParseFS(viewFiles, "views/first_copy.tmpl", "views/completeness.tmpl")
	}
	if err != nil {
		panic(fmt.Sprintf("sinks: read statement %s: %v", name, err))
	}
	var b strings.Builder
	if err := t.ExecuteTemplate(&b, name+".sql", data); err != nil {
		panic(fmt.Sprintf("sinks: render statement %s: %v", name, err))
	}
	sql := strings.TrimSpace(b.String())
	for strings.HasPrefix(sql, "--") {
		_, sql, _ = strings.Cut(sql, "\n")
	}
	return strings.TrimSpace(sql)
}

// StatementNames returns the names of all statements, sorted.
func StatementNames() []string {
	files, err := statementFiles.ReadDir("statements")
	if err != nil {
		panic(fmt.Sprintf("sinks: list statements: %v", err))
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".sql"); ok {
			names = append(names, name)
		}
	}
	return names
}
