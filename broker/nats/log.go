package nats

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// A serverLog takes what the server in this process says. It says much: what is not a warning is only
// for those who look for it.
type serverLog struct {
	log  *slog.Logger
	last text // that was an error
}

type text struct{ atomic.Pointer[string] }

// Load returns the text, or nothing.
func (t *text) Load() string {
	if s := t.Pointer.Load(); s != nil {
		return *s
	}
	return "it does not say why"
}

func (l *serverLog) wrong(level slog.Level, format string, v []any) {
	s := fmt.Sprintf(format, v...)
	l.last.Store(&s)
	l.log.Log(context.Background(), level, "nats: the server in this process complains", "text", s)
}

// Noticef is part of the server's interface.
func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, v...))
}

// Warnf is part of the server's interface.
func (l *serverLog) Warnf(format string, v ...any) { l.wrong(slog.LevelDebug, format, v) }

// Errorf is part of the server's interface.
func (l *serverLog) Errorf(format string, v ...any) { l.wrong(slog.LevelWarn, format, v) }

// Fatalf is part of the server's interface. It does not end the process.
func (l *serverLog) Fatalf(format string, v ...any) { l.wrong(slog.LevelError, format, v) }

// Debugf and Tracef are part of the server's interface. They are not called.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef does nothing.
func (l *serverLog) Tracef(string, ...any) {}
