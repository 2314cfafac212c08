package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"breakwater/internal/sweep/session"
)

// link keeps a session at a server, and gets a new one where it is lost.
type link struct {
	options session.Options
	limiter *session.Limiter
	log     *slog.Logger
	backoff time.Duration // before the first new attempt; it doubles

	s    *session.Session
	free func()
}

// attempts is how often in a row a connection may be lost before it is given up.
const attempts = 6

// with runs f with a session. When the connection is lost f runs again with a new one: it
// must find out by itself how far it was.
func (l *link) with(ctx context.Context, f func(*session.Session) error) error {
	wait := l.backoff
	for attempt := 1; ; attempt++ {
		err := l.connect(ctx)
		if err == nil {
			err = f(l.s)
		}
		if err == nil || ctx.Err() != nil || !errors.Is(err, session.ErrLost) {
			return err
		}
		l.drop()
		if attempt == attempts {
			return err
		}
		l.log.Warn("connecting again", "server", l.options.Server, "user", l.options.User, "err", err, "in", wait)
		select {
		case <-time.After(wait):
			wait *= 2
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *link) connect(ctx context.Context) (err error) {
	if l.s != nil {
		return nil
	}
	if l.free == nil {
		if l.free, err = l.limiter.Wait(ctx, l.options.Server); err != nil {
			return err
		}
	}
	l.s, err = session.Dial(ctx, l.options)
	return err
}

func (l *link) drop() {
	if l.s != nil {
		l.s.Close()
		l.s = nil
	}
}

func (l *link) close() {
	l.drop()
	if l.free != nil {
		l.free()
		l.free = nil
	}
}
