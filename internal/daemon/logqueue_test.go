package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLogQueue: lines come out as they went in, and in their order.
func TestLogQueue(t *testing.T) {
	var out bytes.Buffer
	q := NewLogQueue(&out)
	q.limit = time.Minute
	log := slog.New(slog.NewTextHandler(q, nil))
	for i := range 1000 {
		log.Info("line", "n", i)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1000 || !strings.HasSuffix(lines[0], "n=0") || !strings.HasSuffix(lines[999], "n=999") || q.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped", len(lines), q.Dropped())
	}
	if log.Info("late"); q.Dropped() != 1 {
		t.Error("a line after the end is not counted")
	}
}

// TestLogQueueNobodyReads: nobody who logs waits, memory is bounded, and what is dropped is counted and told.
func TestLogQueueNobodyReads(t *testing.T) {
	for format, want := range map[string]string{"text": "level=WARN msg=\"log lines were dropped", "json": `"level":"WARN","msg":"log lines were dropped`} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		q := NewLogQueue(w)
		q.limit = time.Minute
		handlers := map[string]slog.Handler{"text": slog.NewTextHandler(q, nil), "json": slog.NewJSONHandler(q, nil)}
		log, text := slog.New(handlers[format]), strings.Repeat("x", 1000)
		for range 20_000 { // 20 MB
			log.Info(text)
		}
		dropped := q.Dropped()
		q.mu.Lock()
		room := cap(q.queued)
		q.mu.Unlock()
		if dropped < 5000 || dropped > 19_000 || room > 2*maxQueued {
			t.Errorf("%s: %d lines dropped, room for %d bytes", format, dropped, room)
		}
		read := make(chan string)
		go func() {
			b, _ := io.ReadAll(r)
			read <- string(b)
		}()
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		w.Close()
		out := <-read
		if got := strings.Count(out, text); uint64(got)+dropped != 20_000 || strings.Count(out, want) != 1 {
			t.Errorf("%s: %d lines read, %d dropped: %.200s", format, got, dropped, out[max(0, len(out)-200):])
		}
	}
}
