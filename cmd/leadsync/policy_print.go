package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"leadsync/transform"
)

// changedFields are the fields that the source is known to send in
// mapping_data. Their values are in the columns mapping_data,
// mapping_data_text and changes, and in the views made of them.
var changedFields = []string{
	"name", "first_name", "last_name", "mobile", "email", "headimgurl", "title", "department", "industry", "company_id",
	"account_id", "country_region", "official_website", "owner", "life_status", "lead_pool", "leads_status", "market",
	"business_type", "to_baby_lead_timestamp",
}

// coverage is what a rule covers of what is known of the source.
type coverage struct {
	columns []*transform.Column
	changed []string
}

// covered returns what each rule covers, and at last what none does.
func covered(policy *transform.Policy) []coverage {
	all := make([]coverage, len(policy.Rules())+1)
	of := func(path ...string) *coverage {
		if rule := policy.RuleFor(path...); rule >= 0 {
			return &all[rule]
		}
		return &all[len(all)-1]
	}
	columns := transform.EventsLog.Table().Columns
	for i := range columns {
		c := &columns[i]
		if c.Source != "" && c.Name != "mapping_data" && c.Name != "mapping_data_text" { // those hold the changed fields
			list := of(strings.Split(c.Source, ".")...)
			list.columns = append(list.columns, c)
		}
	}
	for _, field := range changedFields {
		list := of("extra_data", "mapping_data", field)
		list.changed = append(list.changed, field)
	}
	return all
}

func (c *coverage) words() string {
	var names, parts []string
	for _, column := range c.columns {
		names = append(names, column.Name)
	}
	if len(names) > 0 {
		parts = append(parts, "columns "+strings.Join(names, ", "))
	}
	if len(c.changed) > 0 {
		parts = append(parts, "changed fields "+strings.Join(c.changed, ", "))
	}
	if len(parts) == 0 {
		return "no field known here; custom and new ones of that name"
	}
	return strings.Join(parts, "; ")
}

// printPolicy prints for a person what a policy does.
func printPolicy(out io.Writer, policy *transform.Policy, file string) error {
	w := bufio.NewWriter(out)
	rules, keys := policy.Rules(), policy.Keys()
	fmt.Fprintf(w, "%s: %s, %s\n", file, plural(len(rules), "rule"), plural(len(keys), "key"))
	if len(keys) > 0 {
		fmt.Fprintln(w)
	}
	for i, k := range keys {
		fmt.Fprintf(w, "  key %s hashes %s\n", k.ID, inForce(keys, i))
	}
	all := covered(policy)
	for i, r := range rules {
		fmt.Fprintf(w, "\n  %s: %v\n", r.Field, r.Action)
		printWrapped(w, all[i].words())
		for _, note := range notes(r, &all[i]) {
			printWrapped(w, note)
		}
	}
	kept := all[len(rules)]
	fmt.Fprintf(w, "\nReadable: no rule is about them\n")
	printWrapped(w, kept.words())
	fmt.Fprintf(w, "\nA key of the source that is not named here stays readable too, unless a pattern matches it.\n")
	return w.Flush()
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// inForce says what a key hashes.
func inForce(keys []transform.Key, i int) string {
	var from, to string
	if i > 0 {
		from = "from " + keys[i].Since.UTC().Format(time.RFC3339) + " on"
	}
	if i+1 < len(keys) {
		to = "before " + keys[i+1].Since.UTC().Format(time.RFC3339)
	}
	switch {
	case from == "" && to == "":
		return "everything"
	case from == "" || to == "":
		return "what occurred " + from + to
	default:
		return "what occurred " + from + " and " + to
	}
}

// notes names what somebody who wrote the rule might not expect.
func notes(r transform.Rule, c *coverage) (list []string) {
	if r.Action != transform.Hash && r.Action != transform.Mask {
		return nil
	}
	for _, column := range c.columns {
		switch column.Type {
		case transform.Int64, transform.Bool, transform.Timestamp:
			list = append(list, fmt.Sprintf("note: the column %s is %v and cannot hold a text: it becomes NULL, and the text goes to extra",
				column.Name, column.Type))
		}
	}
	dimensions := []string{"owner", "life_status", "lead_pool", "leads_status"}
	if r.Action == transform.Mask && slices.ContainsFunc(c.changed, func(f string) bool { return slices.Contains(dimensions, f) }) {
		list = append(list, "note: values that look alike when masked are one value: a change between them is no transition; hash keeps them apart")
	}
	return list
}

// printWrapped prints text indented, in lines of at most 100 characters.
func printWrapped(w *bufio.Writer, text string) {
	const indent, width = "    ", 100
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(w, line)
}
