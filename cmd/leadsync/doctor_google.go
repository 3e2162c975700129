package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"cloud.google.com/go/auth/credentials"
)

// unknownAccount stands for the worker's account in commands where nothing
// tells its name.
const unknownAccount = "serviceAccount:WORKER_ACCOUNT"

const cloudScope = "https://www.googleapis.com/auth/cloud-platform"

// credentials finds what the clients of Google will find, and asks for a token
// as they will.
func (d *doctor) credentials(ctx context.Context) []finding {
	const check = "credentials"
	found, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{cloudScope}})
	if err != nil {
		return []finding{{check, failed, said(err), d.mendCredentials()}}
	}
	kind, account := describeCredentials(found.JSON())
	if account != "" {
		d.account = account
	}
	if _, err := found.Token(ctx); err != nil {
		return []finding{{check, failed, kind + ": no token: " + said(err), d.mendCredentials()}}
	}
	return []finding{isFine(check, "%s", kind)}
}

func (d *doctor) mendCredentials() string {
	switch {
	case d.cfg.CloudRun:
		return "gcloud run worker-pools update " + d.cfg.Service + " --service-account=ACCOUNT, and see that it is not disabled"
	case os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "":
		return "correct GOOGLE_APPLICATION_CREDENTIALS: it must name a readable file of credentials that are still valid"
	}
	return "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS=FILE; leadsync demo needs none"
}

// describeCredentials says what kind of credentials a file holds, nil for
// those that the machine gives out, and whose they are as IAM names accounts,
// "" where that is not told. It looks at no secret.
func describeCredentials(file []byte) (kind, account string) {
	var c struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
	}
	if len(file) == 0 || json.Unmarshal(file, &c) != nil {
		return "the account that this machine runs as", ""
	}
	switch c.Type {
	case "service_account":
		return "the key of " + c.Email, "serviceAccount:" + c.Email
	case "authorized_user":
		return "a person's login", ""
	case "external_account":
		return "workload identity federation", ""
	case "impersonated_service_account":
		return "a person who acts as a service account", ""
	}
	return "credentials of type " + c.Type, ""
}

// Google's servers, where the settings name no others.
const (
	bigqueryURL = "https://bigquery.googleapis.com/"
	pubsubURL   = "https://pubsub.googleapis.com/"
)

// reach asks BigQuery's server for anything at all: that it answers is what
// counts, and its clock.
func (d *doctor) reach(ctx context.Context) []finding {
	const check = "bigquery"
	target := d.cfg.Endpoint
	if target == "" {
		target = bigqueryURL
	}
	host, err := d.ask(ctx, target)
	if err != nil {
		return []finding{{check, failed, fmt.Sprintf("%s does not answer: %s", host, said(err)),
			"see that the network, its proxy (HTTPS_PROXY) and its firewall let this machine reach " + host}}
	}
	return []finding{isFine(check, "%s answers", host)}
}

// ask sends a request without credentials, and keeps the server's Date.
func (d *doctor) ask(ctx context.Context, target string) (host string, err error) {
	u, err := url.Parse(target)
	if err != nil {
		return "the server", fmt.Errorf("its address is no URL") // which may hold a password
	}
	u.User = nil
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return u.Host, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	asked := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return u.Host, err
	}
	_ = response.Body.Close() // what it says does not matter
	d.here = asked.Add(time.Since(asked) / 2)
	d.date, _ = http.ParseTime(response.Header.Get("Date"))
	return u.Host, nil
}

func (d *doctor) clock(context.Context) []finding { return []finding{skew(d.date, d.here)} }

// clockOfPubSub asks Pub/Sub for the time where nothing else does.
func (d *doctor) clockOfPubSub(ctx context.Context) []finding {
	host, err := d.ask(ctx, pubsubURL)
	if err != nil {
		return []finding{isSkipped("clock", fmt.Sprintf("%s does not answer: %s", host, said(err)))}
	}
	return d.clock(ctx)
}

// How far a clock may be off. Times of ingestion tell copies apart and delays
// from each other; and Google refuses tokens of who is minutes off.
const (
	skewWarned = 5 * time.Second
	skewFailed = 2 * time.Minute
)

// skew compares the clock here with a server's, which tells whole seconds.
func skew(date, here time.Time) finding {
	const check = "clock"
	if date.IsZero() {
		return isSkipped(check, "the server does not tell the time")
	}
	off := here.Sub(date.Add(time.Second / 2))
	text := off.Abs().Round(100*time.Millisecond).String() + " ahead of the server's"
	if off < 0 {
		text = off.Abs().Round(100*time.Millisecond).String() + " behind the server's"
	}
	const mend = "timedatectl set-ntp true, or start chronyd; in a container mend the host's clock"
	switch {
	case off.Abs() >= skewFailed:
		return finding{check, failed, text + ": Google refuses tokens, and times of ingestion are wrong", mend}
	case off.Abs() >= skewWarned:
		return finding{check, warned, text + ": times of ingestion and delays are off by as much", mend}
	case off.Abs() < time.Second:
		return isFine(check, "within a second of the server's")
	}
	return isFine(check, "%s", text)
}
