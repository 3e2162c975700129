package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"leadsync/config"
	"leadsync/sinks"
	"leadsync/sinks/bigquery"
)

// dataset looks at the dataset, and on the way at all that later checks judge.
func (d *doctor) dataset(ctx context.Context) []finding {
	const check = "dataset"
	w, err := bigquery.OpenWarehouse(ctx, bigQueryConfig(d.cfg))
	if err != nil {
		return []finding{{check, failed, said(err), "GOOGLE_CLOUD_PROJECT=PROJECT"}}
	}
	d.warehouse = w
	d.survey, err = w.Survey(ctx)
	if err != nil {
		return []finding{d.datasetError(check, err)}
	}
	where := d.survey.Project + ":" + d.cfg.Dataset
	if want := d.cfg.Location; want != "" && !strings.EqualFold(want, d.survey.Location) {
		return []finding{{check, failed, fmt.Sprintf("%s is in %s, not in BIGQUERY_LOCATION=%s: queries are sent to the wrong place",
			where, d.survey.Location, want), "BIGQUERY_LOCATION=" + d.survey.Location + ", or another BIGQUERY_DATASET: one that exists cannot be moved"}}
	}
	return []finding{isFine(check, "%s is there, in %s", where, d.survey.Location)}
}

func (d *doctor) datasetError(check string, err error) finding {
	f := finding{check, failed, said(err), ""}
	switch causeOf(err) {
	case absent:
		f.Found = fmt.Sprintf("there is no dataset %s in project %s", d.cfg.Dataset, d.survey.Project)
		f.Mend = d.schemaApply()
	case denied:
		f.Mend = d.grantEditor()
	case unknown:
		f.Mend = d.mendCredentials()
	default:
		f.Mend = "see GOOGLE_CLOUD_PROJECT, BIGQUERY_DATASET, BIGQUERY_ENDPOINT and BIGQUERY_STORAGE_ENDPOINT; if they are right, try again"
	}
	return f
}

// schemaApply is the command that makes the tables and views.
func (d *doctor) schemaApply() string {
	if d.cfg.Sink == config.DuckDB {
		return "leadsync schema apply --duckdb-path " + shellWord(d.cfg.DuckDBPath)
	}
	command := "leadsync schema apply --sink bigquery --project " + d.survey.Project + " --dataset " + d.cfg.Dataset
	if d.cfg.Location != "" {
		command += " --location " + d.cfg.Location
	}
	return command
}

// sql is the command that runs a statement of administration.
func (d *doctor) sql(statement string) string {
	return "bq query --use_legacy_sql=false --project_id=" + d.survey.Project + " " + shellWord(statement)
}

func (d *doctor) path(table string) string {
	path := "`" + d.survey.Project + "`." + d.cfg.Dataset
	if table != "" {
		path += "." + table
	}
	return path
}

func (d *doctor) grantEditor() string {
	return d.sql(fmt.Sprintf("GRANT `roles/bigquery.dataEditor` ON SCHEMA %s TO %q", d.path(""), d.account))
}

// schema makes a line of every difference between the dataset and the
// definitions.
func (d *doctor) schema(ctx context.Context) []finding {
	const check = "schema"
	plan, err := d.warehouse.Plan(ctx)
	if err != nil {
		return []finding{d.datasetError(check, err)}
	}
	return judgePlan(plan, d.schemaApply(), func(table string) string {
		return fmt.Sprintf("keep its rows (bq cp %s:%s.%s %s:%[2]s.%[3]s_kept), drop it (bq rm), then %[5]s",
			d.survey.Project, d.cfg.Dataset, table, d.survey.Project, d.schemaApply())
	})
}

// judgePlan makes a finding of each change that is due. Those that a worker
// waits for are failures; the others only concern who reads.
func judgePlan(plan sinks.Plan, apply string, replace func(object string) string) []finding {
	const check = "schema"
	var found []finding
	for _, c := range plan {
		kind, name, _ := strings.Cut(c.Object, " ")
		f := finding{check, warned, c.Object + ": " + c.Action, apply}
		switch {
		case kind == "dataset":
			continue // has a line of its own
		case c.Refused != "":
			f.Verdict, f.Mend = failed, replace(name)
			f.Found += ": " + c.Refused
		case kind == "table" && stopsWriting(c.Action):
			f.Verdict = failed
		}
		found = append(found, f)
	}
	if found == nil {
		return []finding{isFine(check, "all tables and views are as defined")}
	}
	return found
}

// stopsWriting reports whether rows cannot be written before the change.
func stopsWriting(action string) bool {
	return action == "create" || strings.HasPrefix(action, "add column") || strings.HasPrefix(action, "relax column")
}

// writing tells whether each table's stream opens and its rows may be written.
func (d *doctor) writing(context.Context) []finding {
	const check = "writing"
	var found []finding
	good, away := 0, 0
	for _, t := range d.survey.Tables {
		err := t.Err
		if err == nil {
			err = t.StreamErr
		}
		switch {
		case t.Missing:
			found = append(found, isSkipped(check, "there is no table "+t.Name))
		case err != nil && causeOf(err) == unanswered:
			if away++; away == 1 { // one cause, and so one failure
				found = append(found, finding{check, failed, said(err), "see that the network lets this machine reach bigquerystorage.googleapis.com " +
					"(or BIGQUERY_STORAGE_ENDPOINT); workers hold their messages until then"})
			}
		case err != nil:
			found = append(found, d.datasetError(check, err))
		case t.ReadOnly:
			found = append(found, finding{check, failed, "this account may not write rows of " + t.Name, d.grantEditor()})
		default:
			good++
		}
	}
	if good > 0 {
		found = append(found, isFine(check, "the streams of %s open", count(int64(good), "table", "tables")))
	}
	return found
}

// expiry finds what BigQuery would delete by itself.
func (d *doctor) expiry(context.Context) []finding {
	return expiries("expiry of rows", &d.survey, func(table, option string) string {
		if table == "" {
			return d.sql("ALTER SCHEMA " + d.path("") + " SET OPTIONS (" + option + " = NULL)")
		}
		return d.sql("ALTER TABLE " + d.path(table) + " SET OPTIONS (" + option + " = NULL)")
	})
}

func expiries(check string, s *bigquery.Survey, lift func(table, option string) string) []finding {
	var found []finding
	if s.TableExpiration > 0 {
		found = append(found, finding{check, warned, fmt.Sprintf("new tables of the dataset are deleted after %s", days(s.TableExpiration)),
			lift("", "default_table_expiration_days")})
	}
	if s.PartitionExpiration > 0 {
		found = append(found, finding{check, warned, fmt.Sprintf("rows of new tables of the dataset are deleted after %s", days(s.PartitionExpiration)),
			lift("", "default_partition_expiration_days")})
	}
	for _, t := range s.Tables {
		if !t.Expires.IsZero() {
			found = append(found, finding{check, failed, fmt.Sprintf("table %s is deleted with all rows on %s", t.Name, t.Expires.UTC().Format(time.DateOnly)),
				lift(t.Name, "expiration_timestamp")})
		}
		if t.PartitionExpiration > 0 {
			found = append(found, finding{check, warned, fmt.Sprintf("rows of %s are deleted after %s", t.Name, days(t.PartitionExpiration)),
				lift(t.Name, "partition_expiration_days") + ", unless they are meant to go"})
		}
	}
	if found == nil {
		return []finding{isFine(check, "no table and no partition is deleted by itself")}
	}
	return found
}

// days returns a duration in days, or in hours where it is shorter.
func days(d time.Duration) string {
	if d < 24*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%g days", float64(d/time.Hour)/24)
}

// queries tells whether the commands for people would work here. The worker
// runs no query.
func (d *doctor) queries(ctx context.Context) []finding {
	const check = "queries"
	err := d.warehouse.MayQuery(ctx)
	switch {
	case err == nil:
		return []finding{isFine(check, "queries are taken (one was tried dry)")}
	case causeOf(err) == unsupported:
		return []finding{isSkipped(check, "this server takes none")}
	}
	return []finding{{check, warned, said(err) + ": query, explain, erase and the like do not work; the worker does not need it",
		"gcloud projects add-iam-policy-binding " + d.survey.Project + " --member=" + d.account + " --role=roles/bigquery.jobUser"}}
}
