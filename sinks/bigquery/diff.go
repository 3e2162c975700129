package bigquery

import (
	"fmt"
	"slices"
	"strings"

	bq "cloud.google.com/go/bigquery"

	"leadsync/sinks"
	"leadsync/transform"
)

// A diff is how a live table differs from its definition.
type diff struct {
	config   Config
	table    *transform.Table
	live     *bq.TableMetadata
	changes  []sinks.Change
	blocking []string // what keeps rows from being written until it is changed

	// The new state of what changes, nil for what stays.
	update bq.TableMetadataToUpdate
}

func diffTable(c Config, t *transform.Table, live *bq.TableMetadata) *diff {
	d := &diff{config: c, table: t, live: live}
	d.shape()
	schema := d.columns("", t.Columns, live.Schema)
	if slices.ContainsFunc(d.changes, func(c sinks.Change) bool { return c.Refused == "" }) {
		d.update.Schema = schema
	}
	d.options()
	return d
}

// compatible returns what stands in the way of writing rows to the live table.
func compatible(t *transform.Table, live *bq.TableMetadata) error {
	d := diffTable(Config{}, t, live)
	var list []string
	list = append(list, d.blocking...)
	behind := true
	for _, c := range d.changes {
		if c.Refused != "" {
			list = append(list, c.Action+": "+c.Refused)
			behind = false
		}
	}
	if list == nil {
		return nil
	}
	return &incompatible{table: t.Name, what: strings.Join(list, "; "), behind: behind}
}

// shape compares what a table is given for life.
func (d *diff) shape() {
	if d.live.Type != bq.RegularTable {
		d.refuse("replace", fmt.Sprintf("it is a %s, not a table", d.live.Type))
	}
	want := "day of " + d.table.PartitionBy
	got := "nothing"
	if p := d.live.TimePartitioning; p != nil {
		got = strings.ToLower(string(p.Type)) + " of " + p.Field
	} else if d.live.RangePartitioning != nil {
		got = "range of " + d.live.RangePartitioning.Field
	}
	if got != want {
		d.refuse("partition", fmt.Sprintf("it is partitioned by %s, not by %s, which cannot be changed", got, want))
	}
}

// columns compares the columns and returns those that the table shall have.
// Columns that we do not know stay as they are.
func (d *diff) columns(path string, want []transform.Column, have bq.Schema) bq.Schema {
	merged := make(bq.Schema, len(have), len(have)+len(want))
	known := make([]bool, len(have))
	for i, f := range have {
		c := *f
		merged[i] = &c
	}
	for _, c := range want {
		i := slices.IndexFunc(have, func(f *bq.FieldSchema) bool { return strings.EqualFold(f.Name, c.Name) })
		if i < 0 {
			merged = append(merged, d.add(path, &c)...)
			continue
		}
		known[i] = true
		d.column(path, &c, merged[i])
	}
	for i, f := range have {
		if !known[i] && f.Required {
			d.refuse("drop column "+path+f.Name, "it is REQUIRED, and no row of ours has it")
		}
	}
	return merged
}

// add returns the column that the table must gain.
func (d *diff) add(path string, c *transform.Column) bq.Schema {
	name := path + c.Name
	d.blocking = append(d.blocking, "column "+name+" is missing")
	if c.Mode == transform.Required {
		d.refuse("add column "+name, "it is REQUIRED, and a table that exists gains only NULLABLE and REPEATED columns")
		return nil
	}
	d.change("add column "+name, d.addSQL(path, c))
	return bq.Schema{fieldOf(c)}
}

// column compares a column with the live one and gives it its description.
func (d *diff) column(path string, c *transform.Column, live *bq.FieldSchema) {
	name := path + c.Name
	want := fieldOf(c)
	if w, g := currentType(want.Type), currentType(live.Type); w != g {
		d.refuse("change column "+name, fmt.Sprintf("its type is %s, not %s", g, w))
		return
	}
	switch {
	case want.Repeated != live.Repeated:
		d.refuse("change column "+name, fmt.Sprintf("its mode is %s, not %s", modeOf(live), modeOf(want)))
		return
	case live.Required && !want.Required:
		live.Required = false
		d.blocking = append(d.blocking, "column "+name+" is REQUIRED")
		d.change("relax column "+name, d.relaxSQL(path, c))
	}
	// A live column that is NULLABLE where ours is REQUIRED takes our rows,
	// and BigQuery has no way back.
	if live.Description != c.Description {
		live.Description = c.Description
		d.change("describe column "+name, d.describeSQL(path, c))
	}
	if c.Type == transform.Record {
		live.Schema = d.columns(name+".", c.Columns, live.Schema)
	}
}

// options compares what can be changed at any time.
func (d *diff) options() {
	if d.live.Description != d.table.Description {
		d.update.Description = d.table.Description
		d.change("describe", d.alterSQL("SET OPTIONS (description="+quote(d.table.Description)+")"))
	}
	if d.live.RequirePartitionFilter != d.config.RequirePartitionFilter {
		d.update.RequirePartitionFilter = d.config.RequirePartitionFilter
		d.change("require partition filter", d.alterSQL(fmt.Sprintf("SET OPTIONS (require_partition_filter=%t)", d.config.RequirePartitionFilter)))
	}
	if !slices.Equal(clusteringOf(d.live), d.table.ClusterBy) {
		d.update.Clustering = &bq.Clustering{Fields: d.table.ClusterBy}
		d.change("cluster by "+strings.Join(d.table.ClusterBy, ", "), d.clusterSQL())
	}
}

func (d *diff) change(action, sql string) {
	d.changes = append(d.changes, sinks.Change{Object: "table " + d.table.Name, Action: action, SQL: sql})
}

func (d *diff) refuse(action, why string) {
	d.changes = append(d.changes, sinks.Change{Object: "table " + d.table.Name, Action: action, Refused: why})
}
