package daemon

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"breakwater/internal/archive"
	"breakwater/internal/config"
	"breakwater/internal/format/formattest"
	"breakwater/internal/host"
	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

func testDaemon(t *testing.T) *Daemon {
	t.Helper()
	return daemonWith(t, io.Discard, nil)
}

// daemonWith is a daemon in a folder of its own, of which change, if not nil, changes the configuration.
func daemonWith(t *testing.T, log io.Writer, change func(*config.Config)) *Daemon {
	t.Helper()
	return daemonAt(t, archive.HostClock{}, log, change)
}

// daemonAt is one with a clock.
func daemonAt(t *testing.T, clock archive.HostClock, log io.Writer, change func(*config.Config)) *Daemon {
	t.Helper()
	cfg, err := host.InFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&cfg)
	}
	d, err := Open(cfg, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func TestPages(t *testing.T) {
	d := testDaemon(t)
	d.done(milterd.Outcome{
		Judgement: rules.Judgement{
			Message:   &message.Message{Raw: []byte("12345")},
			Decisions: []rules.Decision{{Class: "dsn", Action: rules.Absorb}, {Class: "dsn", Action: rules.Deliver}},
		},
		Err: io.ErrUnexpectedEOF,
	})
	observed := []rules.Decision{{Class: "dsn", Action: rules.Deliver, Wanted: rules.Absorb, Observed: true}}
	d.done(milterd.Outcome{Judgement: rules.Judgement{Message: &message.Message{}, Decisions: observed}})
	d.done(milterd.Outcome{Judgement: rules.Judgement{Message: &message.Message{}, Decisions: []rules.Decision{{Action: rules.Reject}}}, AtRCPT: true})
	code, page := get(t, d.pages(), "/metrics")
	for _, want := range []string{
		`breakwater_decisions_total{action="absorb",class="dsn"} 1`, `breakwater_decisions_total{action="tag",class="bulk"} 0`,
		"breakwater_refused_recipients_total 1", "breakwater_errors_total 1", "breakwater_message_bytes_total 5", "breakwater_message_seconds_count 2", `breakwater_observed_total{action="absorb",class="dsn"} 1`,
		"breakwater_incidents_active 0", "breakwater_archive_min_free_bytes 5.36870912e+08", "breakwater_store_ok 1", "breakwater_archive_ok 1", "breakwater_connections 0", `breakwater_rules_reloads_total{result="error"} 0`,
	} {
		if code != 200 || !strings.Contains(page, want+"\n") {
			t.Errorf("%d: %q is missing", code, want)
		}
	}
	for _, want := range []string{`breakwater_build_info{go="go1.`, "breakwater_archive_free_bytes "} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := free(d.cfg.Archive); n <= 0 || free("/nonexistent") != -1 {
		t.Error(n)
	}
	if code, page := get(t, d.pages(), "/healthz"); code != 200 || page != "ok\n" {
		t.Error(code, page)
	}
	os.RemoveAll(d.cfg.Archive)
	if code, page := get(t, d.pages(), "/healthz"); code != 503 || !strings.Contains(page, "archive") {
		t.Error(code, page)
	}
}

func TestReload(t *testing.T) {
	d := testDaemon(t)
	before := d.rules.Load()
	file := filepath.Join(d.cfg.Rules, "example.test.toml")
	if err := os.WriteFile(file, []byte("mode = \"observe\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.reload()
	if now := d.rules.Load(); now == before || !now.Has("example.test") {
		t.Error("not reloaded")
	}
	if err := os.WriteFile(file, []byte("mode = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before = d.rules.Load()
	d.reload()
	if d.rules.Load() != before {
		t.Error("a wrong file replaced the rules")
	}
	if _, page := get(t, d.pages(), "/metrics"); !strings.Contains(page, `reloads_total{result="error"} 1`) || !strings.Contains(page, `reloads_total{result="ok"} 1`) {
		t.Error("reloads are not counted")
	}
}

// TestBrokenRules: a file with an error keeps no other file from being read, nor the daemon from starting.
// Its last good version stays in force, and metrics, /healthz and the answer to a reload name it.
func TestBrokenRules(t *testing.T) {
	d := testDaemon(t)
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(d.cfg.Rules, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(d *Daemon) {
		t.Helper()
		set := d.rules.Load()
		if p := set.For("a.test").For("", ""); p.Limit(storm.ID, "personal").Copies != 7 || set.For("b.test").For("", "").Limit(storm.ID, "personal").Copies != 9 {
			t.Errorf("not in force: the last good version of a.test, or b.test")
		}
		_, page := get(t, d.pages(), "/metrics")
		for _, want := range []string{`breakwater_rules_ok{file="a.test.toml"} 0`, `breakwater_rules_ok{file="b.test.toml"} 1`, `breakwater_rules_ok{file="default.toml"} 1`, "breakwater_rules_loaded_timestamp_seconds "} {
			if !strings.Contains(page, want) {
				t.Errorf("no %s in the metrics", want)
			}
		}
		if code, page := get(t, d.pages(), "/healthz"); code != 200 || !strings.Contains(page, "rules: a.test.toml is broken, in force is its last good version") {
			t.Error(code, page)
		}
	}
	put("a.test.toml", "[limit.id]\ncopies = 7\n")
	if err := d.reload(); err != nil {
		t.Fatal(err)
	}
	put("a.test.toml", "[limit.id]\ncopiez = 8\n")
	put("b.test.toml", "[limit.id]\ncopies = 9\n")
	for range 2 { // the second time nothing has changed
		if err := d.reload(); err == nil || !strings.Contains(err.Error(), "a.test.toml:2:1: ") || !strings.Contains(err.Error(), "in force is its last good version") {
			t.Error(err)
		}
		check(d)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	again, err := Open(d.cfg, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal("does not start:", err)
	}
	defer again.Close()
	check(again)
	if !strings.Contains(log.String(), `msg="a rule file is broken" file=a.test.toml`) {
		t.Error("the log does not tell at the start")
	}
	// `rules show` tells what the daemon has.
	settings, _, files, err := host.Settings(d.cfg, "a.test")
	broken := slices.DeleteFunc(files, func(f rules.File) bool { return f.Broken == nil })
	if err != nil || len(broken) != 1 || broken[0].Name != "a.test.toml" || !slices.ContainsFunc(settings, func(s rules.Setting) bool { return s.Key == "limit.id.copies" && s.Value == int64(7) }) {
		t.Errorf("%+v, %+v, %v", settings, broken, err)
	}
	put("a.test.toml", "[limit.id]\ncopies = 7\n")
	if err := again.reload(); err != nil {
		t.Error(err)
	}
	if code, page := get(t, again.pages(), "/healthz"); code != 200 || page != "ok\n" {
		t.Error(code, page)
	}
}

// TestKeptRulesOfAnotherVersion are neither used nor written over.
func TestKeptRulesOfAnotherVersion(t *testing.T) {
	d := testDaemon(t)
	kept := host.KeptRulesOf(d.cfg)
	if before, err := kept.Read(); err != nil || len(before) == 0 {
		t.Fatal(before, err)
	}
	formattest.Newer(t, string(kept), host.KeptLayout, func() error {
		_, refused := kept.Read()
		if err := os.WriteFile(filepath.Join(d.cfg.Rules, "x.test.toml"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.reload(); err != nil {
			t.Error(err)
		}
		return refused
	})
}

// TestKeysAreMissing: they are made at the first start, and never while the daemon runs.
func TestKeysAreMissing(t *testing.T) {
	d := testDaemon(t)
	before := d.ring.Load()
	if err := os.Remove(d.cfg.KeysFile()); before == nil || err != nil {
		t.Fatal(before, err)
	}
	if d.reread(); d.ring.Load() != before {
		t.Error("there are other keys now")
	}
	if err := d.readKeys(); !os.IsNotExist(errors.Unwrap(err)) {
		t.Error(err)
	}
	if _, err := os.Stat(d.cfg.KeysFile()); err == nil {
		t.Error("a file of keys was made")
	}
}

// TestNeedsRestart: a reload tells what of the configuration it does not read.
func TestNeedsRestart(t *testing.T) {
	d := testDaemon(t)
	var log strings.Builder
	d.log = slog.New(slog.NewTextHandler(&log, nil))
	now, wrong := d.cfg, error(nil)
	d.readConfig = func() (config.Config, error) { return now, wrong }
	if d.reread(); strings.Contains(log.String(), "restart") {
		t.Error(log.String())
	}
	now.Web, now.Site.Hosts = "127.0.0.1:1", []string{"mx.example.test"}
	if d.reread(); !strings.Contains(log.String(), `it takes effect after a restart" settings="web site.hosts"`) {
		t.Error(log.String())
	}
	wrong = errors.New("breakwater.toml:1:1: unknown key x")
	if d.reread(); !strings.Contains(log.String(), "the daemon would not start again: breakwater.toml:1:1") {
		t.Error(log.String())
	}
}

// TestBeside: what mail can do without is tried again, and its lack told, until it is there.
func TestBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Daemon{now: time.Now, log: slog.New(slog.DiscardHandler)}
		d.loaded.Store(&loadedRules{})
		tries, served := 0, make(chan net.Listener, 1)
		listen := func() (net.Listener, error) {
			if tries++; tries < 4 {
				return nil, fs.ErrPermission
			}
			return nil, nil
		}
		begun := time.Now()
		d.beside(t.Context(), "control", listen, func(_ context.Context, ln net.Listener) { served <- ln })
		if w := d.lacks(); len(w) != 1 || w[0] != "control: permission denied" {
			t.Errorf("%q", w)
		}
		<-served
		if took := time.Since(begun); took != 3*besideAgain || len(d.lacks()) != 0 {
			t.Errorf("%v, %q", took, d.lacks())
		}
		// It ends with the daemon.
		ctx, cancel := context.WithCancel(t.Context())
		d.beside(ctx, "web", func() (net.Listener, error) { return nil, fs.ErrPermission }, nil)
		cancel()
		synctest.Wait()
	})
}

func TestWatchdogWithoutSystemd(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	testDaemon(t).watchdog(ctx) // returns at once
}

// TestAlarm: the postmaster is told once when the archive cannot take mail, in a mail that we
// know when it comes back.
func TestAlarm(t *testing.T) {
	d := testDaemon(t)
	var sent []*message.Message
	d.digester.Send = func(_ context.Context, to string, raw []byte) error {
		sent = append(sent, message.Parse(message.Envelope{Recipients: []message.Recipient{{Addr: to}}}, time.Now(), raw))
		return nil
	}
	var room roomState
	d.sayRoom(context.Background(), &room)
	os.RemoveAll(d.cfg.Archive)
	for range 3 {
		d.sayRoom(context.Background(), &room)
	}
	if len(sent) != 1 {
		t.Fatalf("%d mails", len(sent))
	}
	m := sent[0]
	text := strings.Join(strings.Fields(m.Text(1<<20)), " ")
	if !d.engine.Marks.IsDigest(m) || !strings.HasPrefix(m.Recipients[0].Addr, "postmaster@") || !strings.Contains(text, `on_error = "deliver"`) || !strings.Contains(text, d.cfg.Archive) {
		t.Errorf("%s", m.Raw)
	}
}

// TestAlarmAgain: an archive that is full now and then is told once an hour, by the daemon's clock.
func TestAlarmAgain(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	d := daemonAt(t, archive.HostClock{Now: func() time.Time { return now }}, io.Discard, nil)
	var dates []string
	d.digester.Send = func(_ context.Context, _ string, raw []byte) error {
		m := message.Parse(message.Envelope{}, now, raw)
		dates = append(dates, m.Header.Get("Date"))
		return nil
	}
	os.RemoveAll(d.cfg.Archive)
	var room roomState
	for _, later := range []time.Duration{0, time.Minute, time.Hour} {
		now = now.Add(later)
		room.full = false
		d.sayRoom(t.Context(), &room)
	}
	if got := strings.Join(dates, "; "); got != "Mon, 02 Mar 2026 08:00:00 +0000; Mon, 02 Mar 2026 09:01:00 +0000" {
		t.Error(got)
	}
}

// TestActive: a storm that goes on is counted, once for all its mailboxes.
func TestActive(t *testing.T) {
	d := testDaemon(t)
	limit := storm.Limit{Copies: 1, Window: time.Hour, Calm: 2 * time.Hour, Keep: 2 * time.Hour}
	for i := range 5 {
		sg := storm.Sighting{At: time.Now(), Transfer: uint64(i), Class: "personal"}
		for owner := range 3 {
			sg.Counts = append(sg.Counts, storm.Count{Key: storm.Key{Owner: [8]byte{byte(owner)}, Kind: storm.ID, Hash: [8]byte{7}}, Limit: limit, Mailbox: "u@example.test"})
		}
		if _, err := d.store.Observe(t.Context(), sg); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.active(); n != 1 {
		t.Errorf("%v storms", n)
	}
}

// TestAlive: the daemon is taken for hung when its store is.
func TestAlive(t *testing.T) {
	d := testDaemon(t)
	if err := d.alive(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.alive(t.Context()); err == nil {
		t.Error("a store that is closed answers")
	}
}
