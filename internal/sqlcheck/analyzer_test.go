package sqlcheck

import (
	"errors"
	"strings"
	"testing"

	"github.com/goccy/go-googlesql"

	"leadsync/transform"
)

const (
	project = "test-project"
	dataset = "jing_leads"
	zone    = "Asia/Shanghai"
)

// An analyzer resolves BigQuery's SQL against a catalog that holds our tables
// and what is added to it. It must not be used concurrently.
type analyzer struct {
	language *googlesql.LanguageOptions
	options  *googlesql.AnalyzerOptions
	types    *googlesql.TypeFactory
	catalog  *googlesql.SimpleCatalog
	held     []any // the catalog points to these without owning them
}

// A column is one of a table or of a result. Its type is written as in SQL.
type column struct{ name, kind string }

// newAnalyzer returns an analyzer that knows the tables.
func newAnalyzer(t *testing.T) *analyzer {
	t.Helper()
	if err := googlesql.Init(); err != nil {
		t.Fatal(err)
	}
	a := &analyzer{
		language: must(googlesql.NewLanguageOptions()),
		options:  must(googlesql.NewAnalyzerOptions2()),
		types:    must(googlesql.NewTypeFactory()),
		catalog:  must(googlesql.NewSimpleCatalog("catalog", nil)),
	}
	speakBigQuery(a.language)
	check(a.options.SetLanguage(a.language))
	// Without rewriting, the statement's own functions are in the result.
	first, last := googlesql.ResolvedASTRewriteRewriteFlatten, googlesql.ResolvedASTRewriteRewriteVariadicFunctionSignatureExpander
	for rewrite := first; rewrite <= last; rewrite++ {
		check(a.options.DisableRewrite(rewrite))
	}
	check(a.catalog.AddBuiltinFunctionsAndTypes(&googlesql.BuiltinFunctionOptions{LanguageOptions: a.language}))
	a.addByFunctions()
	for _, table := range transform.Tables() {
		a.add(table.Name, columnsOf(table.Columns))
	}
	return a
}

// analyze resolves one statement. The error is GoogleSQL's, with the place, or
// tells what BigQuery would refuse beyond that.
func (a *analyzer) analyze(sql string) (googlesql.ResolvedStatementNode, error) {
	out, err := googlesql.AnalyzeStatement(sql, a.options, a.catalog, a.types)
	if err != nil {
		return nil, err
	}
	return judge(out)
}

func judge(out *googlesql.AnalyzerOutput) (googlesql.ResolvedStatementNode, error) {
	s := must(out.ResolvedStatement())
	return s, errors.Join(foreign(s), unplanned(s))
}

// analyzeAll resolves statements that follow each other, each ended by a
// semicolon.
func (a *analyzer) analyzeAll(sql string) ([]googlesql.ResolvedStatementNode, error) {
	var list []googlesql.ResolvedStatementNode
	place := must(googlesql.NewParseResumeLocationFromString(sql))
	for strings.TrimSpace(sql[must(place.BytePosition()):]) != "" {
		out, err := googlesql.AnalyzeNextStatement(place, a.options, a.catalog, a.types)
		if err != nil {
			return nil, err
		}
		s, err := judge(out)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// add makes a table or view known, by its name alone, as queries with a
// default dataset have it, and by the names that the program writes. What was
// added before under the name is forgotten.
func (a *analyzer) add(name string, columns []column) {
	table := must(googlesql.NewSimpleTable(name, 0))
	for _, c := range columns {
		kind := must(googlesql.AnalyzeType(c.kind, a.options, a.catalog, a.types))
		column := must(googlesql.NewSimpleColumn(name, c.name, kind, false, true))
		check(table.AddColumn2(column, false))
		a.held = append(a.held, kind, column)
	}
	a.held = append(a.held, table)
	for _, prefix := range []string{"", dataset + ".", project + "." + dataset + "."} {
		check(a.catalog.AddTable2(prefix+name, table))
	}
}

// columnsOf returns the columns of a table as SQL sees them.
func columnsOf(cols []transform.Column) []column {
	list := make([]column, len(cols))
	for i, c := range cols {
		kind := c.Type.String()
		if c.Type == transform.Record {
			nested := columnsOf(c.Columns)
			fields := make([]string, len(nested))
			for j, f := range nested {
				fields[j] = f.name + " " + f.kind
			}
			kind = "STRUCT<" + strings.Join(fields, ", ") + ">"
		}
		if c.Mode == transform.Repeated {
			kind = "ARRAY<" + kind + ">"
		}
		list[i] = column{c.Name, kind}
	}
	return list
}

// resultOf returns the columns of a query's result.
func resultOf(s googlesql.ResolvedStatementNode) []column {
	var list []column
	for _, out := range must(s.(*googlesql.ResolvedQueryStmt).OutputColumnList()) {
		list = append(list, column{must(out.Name()), kindOf(must(must(out.Column()).Type()))})
	}
	return list
}

// kindOf returns the type as BigQuery writes it.
func kindOf(t googlesql.Googlesql_TypeNode) string {
	return must(t.(interface {
		TypeName(mode googlesql.ProductMode) (string, error)
	}).TypeName(googlesql.ProductModeProductExternal))
}

// textOf returns the text of a string literal.
func textOf(e googlesql.ResolvedExprNode) (string, bool) {
	literal, ok := e.(*googlesql.ResolvedLiteral)
	if !ok || kindOf(must(e.Type())) != "STRING" {
		return "", false
	}
	return must(must(literal.Value()).StringValue()), true
}

// walk calls f for a resolved node and all below it.
func walk(n googlesql.ResolvedNode, f func(googlesql.ResolvedNode)) {
	f(n)
	for _, child := range must(n.GetChildNodes()) {
		walk(child, f)
	}
}

// must returns the value. The engine's accessors all return an error, which
// tells of a broken engine and not of the statement.
func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
