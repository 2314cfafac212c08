package evidence

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"breakwater/internal/incident"
	"breakwater/internal/ledger"
	"breakwater/internal/storm"
)

var morning = time.Date(2026, 3, 2, 8, 15, 0, 0, time.UTC)

// hostile is what senders and operators may write.
const hostile = "=HYPERLINK(\"x\")<script>alert(1)</script>\u202e\x1b[31m"

// house has an incident and a ledger.
type house struct {
	Folders
	key string
	i   incident.Incident
}

func newHouse(t testing.TB) house {
	t.Helper()
	dir := t.TempDir()
	h := house{Folders: Folders{filepath.Join(dir, "incidents"), filepath.Join(dir, "ledger")}}
	l, err := ledger.Open(h.Ledger, filepath.Join(dir, "ledger.key"), ledger.Options{Origin: "mx.example.org/breakwater"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h.key = l.VerifierKey()
	l.Append(morning, "start", nil)
	b, err := incident.Open(h.Incidents, morning, incident.Options{Written: func(part string, from int64, lines []byte) {
		l.Append(morning, "rows", map[string]any{"incident": part, "from": from, "bytes": len(lines), "sha256": hash(lines)})
	}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 90 {
		m := &incident.Member{
			At: morning.Add(time.Duration(n) * 10 * time.Second), Client: incident.Host(netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + n%3)})), Class: "personal",
			Prints: []incident.Print{{Kind: storm.Text, Hash: [8]byte{byte(n % 2)}}}, Storms: []string{fmt.Sprintf("text-%010x", n%2)}, Subject: hostile, Signs: storm.Connector,
			Fates: []incident.Fate{{Action: "absorb", Recipients: 2}}, Chain: incident.Chain{Statement: incident.Statement{Helo: "a.example", By: "b.example"}},
		}
		b.Add(m)
		l.Append(m.At, "absorb", map[string]any{"incident": b.Of(m.Storms[0]), "client": "x"})
		if n%20 == 0 {
			if err := b.Flush(m.At); err != nil {
				t.Fatal(err)
			}
		}
	}
	id := b.Incidents()[0].ID
	for _, o := range []incident.Order{
		{Verb: "note", ID: id, By: "ann", Notified: "203.0.113.1", Text: hostile},
		{Verb: "cost", ID: id, By: "ann", Hours: 15, Rate: 80, Currency: "EUR", Text: hostile},
	} {
		if err := b.Do(morning.Add(10*time.Minute), o); err != nil {
			t.Fatal(err)
		}
	}
	h.i = b.Incidents()[0]
	if err := b.Close(morning.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(h.i.Parts) != 1 {
		t.Fatalf("the incident is %+v", h.i)
	}
	if _, err := l.Checkpoint(morning.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	l.Append(morning.Add(time.Hour), "rows", map[string]any{"incident": h.i.ID, "from": 0, "bytes": 1, "sha256": ""}) // not under it
	return h
}

func (h *house) export(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Export(t.Context(), &b, h.Folders, h.i, h.key, "North Example Ltd."); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t testing.TB, bundle []byte) map[string][]byte {
	t.Helper()
	files, err := unpack(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBundle(t *testing.T) {
	h := newHouse(t)
	bundle := h.export(t)
	if !bytes.Equal(bundle, h.export(t)) {
		t.Error("two exports differ")
	}
	v, err := Verify(bytes.NewReader(bundle), int64(len(bundle)), h.key)
	if err != nil || len(v.Faults) > 0 || v.ID != h.i.ID || v.For != "North Example Ltd." || v.Leaves < 90 {
		t.Errorf("Verify: %+v, %v", v, err)
	}
	files := open(t, bundle)
	if got, want := string(files["sources.csv"]), "client,copies_came,delivered,absorbed,other,reports_came,messages,bytes,connections,uncertain\n203.0.113.1,60,0,60,0,0,30,0,0,0\n"; !strings.HasPrefix(got, want) {
		t.Errorf("sources.csv is\n%s", got)
	}
	// Told at 8:25; the messages of 8:26 to 8:29 are every 30 seconds, for two.
	if got := string(files["notices.csv"]); !strings.Contains(got, "2026-03-02T08:25:00Z,203.0.113.1,ann,16,") {
		t.Errorf("notices.csv is\n%s", got)
	}
	if got := string(files["cost.csv"]); !strings.Contains(got, "15,80,EUR,1200.00,") {
		t.Errorf("cost.csv is\n%s", got)
	}
	for _, lang := range languages {
		page := string(files["report."+lang+".html"])
		for _, want := range []string{h.i.ID, "203.0.113.2", "1200.00 EUR", "2026-03-02T08:15:00Z", "<svg", `lang="` + lang + `"`, "North Example Ltd."} {
			if !strings.Contains(page, want) {
				t.Errorf("the report in %s has no %q", lang, want)
			}
		}
	}
}

// What senders write does nothing, in no file.
func TestHostileText(t *testing.T) {
	h := newHouse(t)
	for name, b := range open(t, h.export(t)) {
		text := string(b)
		if strings.HasSuffix(name, ".html") && strings.Contains(text, "<script") {
			t.Errorf("%s has a script", name)
		}
		if strings.ContainsAny(text, "\u202e\x1b") && !strings.HasPrefix(name, "record/") && name != leavesFile && name != signatureFile && name != "incident.json" {
			t.Errorf("%s has what nobody sees", name)
		}
		if strings.HasSuffix(name, ".csv") && (strings.Contains(text, ",=") || strings.Contains(text, ",\"=")) {
			t.Errorf("%s has a formula", name)
		}
	}
}

// repack makes a bundle of files.
func repack(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pack(&b, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Any byte that was altered, a cut end, a file that was swapped, taken out or put in: Verify names the file.
func TestAltered(t *testing.T) {
	h := newHouse(t)
	bundle := h.export(t)
	verify := func(files map[string][]byte) []string {
		t.Helper()
		b := repack(t, files)
		v, err := Verify(bytes.NewReader(b), int64(len(b)), h.key)
		if err != nil {
			t.Fatal(err)
		}
		return v.Faults
	}
	named := func(faults []string, name string) bool {
		return slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, name) })
	}
	for name, b := range open(t, bundle) {
		for _, at := range []int{0, len(b) / 3, len(b) - 1} {
			files := open(t, bundle)
			files[name][at] ^= 1
			if faults := verify(files); !named(faults, name) {
				t.Errorf("byte %d of %s was altered, and Verify says %q", at, name, faults)
			}
		}
		files := open(t, bundle)
		files[name] = files[name][:len(files[name])-1]
		if faults := verify(files); !named(faults, name) {
			t.Errorf("%s was cut, and Verify says %q", name, faults)
		}
		delete(files, name)
		if faults := verify(files); len(faults) == 0 {
			t.Errorf("%s was taken out, and Verify says nothing", name)
		}
	}
	files := open(t, bundle)
	files["more.txt"] = nil
	if faults := verify(files); !named(faults, "more.txt") {
		t.Errorf("a file was put in, and Verify says %q", faults)
	}
}

// Who makes all of it anew, with a key of his own, is found out by who knows the right key.
func TestForeignKey(t *testing.T) {
	mine, forged := newHouse(t), newHouse(t)
	bundle := forged.export(t)
	v, err := Verify(bytes.NewReader(bundle), int64(len(bundle)), mine.key)
	if err != nil || !slices.ContainsFunc(v.Faults, func(f string) bool { return strings.HasPrefix(f, keyFile) }) {
		t.Errorf("Verify says %q, %v", v.Faults, err)
	}
}

// The commands of VERIFY.txt say the same as Verify.
func TestCommands(t *testing.T) {
	for _, name := range []string{"sha256sum", "openssl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	h := newHouse(t)
	dir := t.TempDir()
	for name, b := range open(t, h.export(t)) {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "VERIFY.txt"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(command string) error {
		if !strings.Contains(string(text), command) {
			t.Errorf("VERIFY.txt does not say %s", command)
		}
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	commands := []string{"sha256sum -c SHA256SUMS", "openssl pkeyutl -verify -pubin -inkey ledger/key.pem -rawin -in ledger/checkpoint.msg -sigfile ledger/checkpoint.sig"}
	for _, c := range commands {
		if err := run(c); err != nil {
			t.Error(err)
		}
	}
	name := filepath.Join(dir, messageFile)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-5] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if run(c) == nil {
			t.Errorf("%s takes an altered checkpoint", c)
		}
	}
}

func TestNoBundle(t *testing.T) {
	if _, err := Verify(strings.NewReader("no zip"), 6, ""); err == nil {
		t.Error("no zip is verified")
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 2 {
		if _, err := z.Create("FOR.txt"); err != nil {
			t.Fatal(err)
		}
	}
	z.Close()
	if _, err := Verify(bytes.NewReader(b.Bytes()), int64(b.Len()), ""); err == nil {
		t.Error("a file is in it twice")
	}
	empty := repack(t, nil)
	if v, err := Verify(bytes.NewReader(empty), int64(len(empty)), ""); err != nil || len(v.Faults) == 0 {
		t.Errorf("an empty bundle is verified: %+v, %v", v, err)
	}
}
