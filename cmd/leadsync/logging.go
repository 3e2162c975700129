package main

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// logOptions say how log lines look.
type logOptions struct {
	level   string // debug, info, warn or error; "" is info
	json    bool   // in Cloud Logging's form, else readable text
	service string // name under which errors are reported
}

// newLogger returns a logger that writes to w.
func newLogger(w io.Writer, o logOptions) *slog.Logger {
	w = &lockedWriter{w: w}
	var level slog.Level
	if o.level != "" {
		_ = level.UnmarshalText([]byte(o.level)) // was checked with the settings
	}
	if !o.json {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: readable}))
	}
	plain := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: cloudLogging})
	failures := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: cloudLogging, AddSource: true})
	return slog.New(&cloudHandler{plain: plain, failures: failures.WithAttrs([]slog.Attr{
		slog.String("@type", "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"),
		slog.Group("serviceContext", "service", o.service, "version", thisBuild().version), //nolint:sloglint // Error Reporting's name
	})})
}

// cloudHandler writes entries in the form that Cloud Logging reads, and errors
// so that Error Reporting counts them: with their place in the source.
type cloudHandler struct{ plain, failures slog.Handler }

func (h *cloudHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.plain.Enabled(ctx, level)
}

func (h *cloudHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		return h.failures.Handle(ctx, r)
	}
	return h.plain.Handle(ctx, r)
}

func (h *cloudHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &cloudHandler{plain: h.plain.WithAttrs(attrs), failures: h.failures.WithAttrs(attrs)}
}

func (h *cloudHandler) WithGroup(name string) slog.Handler {
	return &cloudHandler{plain: h.plain.WithGroup(name), failures: h.failures.WithGroup(name)}
}

// cloudLogging gives slog's own attributes the names and values of Cloud
// Logging. Without a stack trace Error Reporting wants context.reportLocation.
func cloudLogging(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.LevelKey:
		return slog.String("severity", severity(a.Value))
	case slog.MessageKey:
		a.Key = "message"
	case slog.SourceKey:
		src, ok := a.Value.Any().(*slog.Source)
		if !ok {
			return a
		}
		//nolint:sloglint // the names are those of Cloud Logging and Error Reporting
		return slog.Group("",
			slog.Group("logging.googleapis.com/sourceLocation",
				"file", src.File, "line", strconv.Itoa(src.Line), "function", src.Function),
			slog.Group("context", slog.Group("reportLocation",
				"filePath", src.File, "lineNumber", src.Line, "functionName", src.Function)))
	}
	return a
}

func severity(v slog.Value) string {
	level, ok := v.Any().(slog.Level)
	switch {
	case !ok:
		return "DEFAULT"
	case level < slog.LevelInfo:
		return "DEBUG"
	case level < slog.LevelWarn:
		return "INFO"
	case level < slog.LevelError:
		return "WARNING"
	default:
		return "ERROR"
	}
}

// readable shortens the time for a person who watches.
func readable(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().Format(time.TimeOnly + ".000"))
	}
	return a
}

// lockedWriter keeps lines whole that two handlers write.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
