package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"breakwater/internal/config"
)

// Bounds of a LogQueue.
const (
	maxQueued  = 4 << 20         // bytes
	flushLimit = 2 * time.Second // for what is queued when the daemon ends
)

// LogQueue is an io.Writer that never waits: lines go to another writer behind it. While that one stands
// still, such as the standard error that a journal reads whose disk is stuck, lines are kept up to
// maxQueued; what comes then is dropped and counted.
type LogQueue struct {
	to      io.Writer
	dropped atomic.Uint64 // lines
	ended   chan struct{} // closed when nothing more is written
	limit   time.Duration // of Close

	mu     sync.Mutex
	more   sync.Cond // queued or closed has changed
	queued []byte
	lost   uint64 // lines dropped that the log does not tell of yet
	closed bool
}

// NewLogQueue starts to copy lines to another writer, until Close.
func NewLogQueue(to io.Writer) *LogQueue {
	q := &LogQueue{to: to, ended: make(chan struct{}), limit: flushLimit}
	q.more.L = &q.mu
	go q.run()
	return q
}

// Write queues one line, or drops it.
func (q *LogQueue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(q.queued)+len(line) > maxQueued {
		q.lost++
		q.dropped.Add(1)
		return len(line), nil
	}
	q.queued = append(q.queued, line...)
	q.more.Signal()
	return len(line), nil
}

// Dropped is how many lines were dropped so far.
func (q *LogQueue) Dropped() uint64 { return q.dropped.Load() }

// run writes what is queued until Close.
func (q *LogQueue) run() {
	defer close(q.ended)
	var free []byte
	for {
		text, more := q.take(free)
		// Nobody is left to be told of an error here.
		_, _ = q.to.Write(text)
		if free = text[:0]; !more {
			return
		}
	}
}

// take waits for lines and takes them, with a word about those that were dropped before. free is room
// for the next ones. more is false for the last lines.
func (q *LogQueue) take(free []byte) (text []byte, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queued) == 0 && !q.closed {
		q.more.Wait()
	}
	text, q.queued = q.queued, free
	if q.lost > 0 {
		text = append(text, droppedLine(text, q.lost)...)
		q.lost = 0
	}
	return text, !q.closed
}

// droppedLine tells of dropped lines in the format of those before.
func droppedLine(before []byte, n uint64) string {
	now, what := time.Now().Format(time.RFC3339Nano), "log lines were dropped: nobody read them in time"
	if strings.HasPrefix(string(before), "{") {
		return fmt.Sprintf("{\"time\":%q,\"level\":\"WARN\",\"msg\":%q,\"lines\":%d}\n", now, what, n)
	}
	return fmt.Sprintf("time=%s level=WARN msg=%q lines=%d\n", now, what, n)
}

// Close writes what is queued, if that does not take longer than flushLimit.
func (q *LogQueue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.more.Signal()
	q.mu.Unlock()
	select {
	case <-q.ended:
		return nil
	case <-time.After(q.limit):
		return fmt.Errorf("standard error takes no log lines")
	}
}

// NewLog returns a logger with the configured level and format.
func NewLog(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // Check has seen it
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
