// Package evidence makes one file of an incident that others can check without trust in who made it, and checks such files.
//
// A bundle is a zip archive. Its record is a copy of the incident's own files. The ledger's leaves about the incident
// are in it, with a proof that they are under a signed checkpoint; among them are the hashes of all that was ever written
// to the record. All else is made of these, always the same way: so Verify makes it again, and compares.
//
// No text of a message is in a bundle, and no recipient: the ledger has keyed hashes instead.
package evidence

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"breakwater/internal/incident"
	"breakwater/internal/ledger"
)

// input is what all of a bundle is made of.
type input struct {
	id         string
	for_       string            // for whom it is; "" for nobody in particular
	record     map[string][]byte // files of the incident's parts
	numbers    []int64           // of leaves
	lines      [][]byte
	proof      string
	checkpoint string
	key        string
	rows       map[string][]said // see written
}

// Folders are where the incidents and the ledger are.
type Folders struct{ Incidents, Ledger string }

// Export writes the bundle of an incident: what the last checkpoint of the ledger covers of it. For whom it is stands in it. The same
// record under the same checkpoint gives the same bytes.
func Export(ctx context.Context, w io.Writer, from Folders, i incident.Incident, key, forWhom string) error {
	in := input{id: i.ID, for_: forWhom, key: key}
	if err := in.collect(ctx, from, i); err != nil {
		return fmt.Errorf("export %s: %w", i.ID, err)
	}
	files, err := in.files()
	if err != nil {
		return fmt.Errorf("export %s: %w", i.ID, err)
	}
	return pack(w, files)
}

// collect reads what the bundle is made of.
func (in *input) collect(ctx context.Context, from Folders, i incident.Incident) error {
	notes, err := ledger.Checkpoints(from.Ledger)
	if err != nil {
		return err
	}
	if len(notes) == 0 {
		return errors.New("the ledger has no checkpoint yet; the daemon makes one each hour, and where it ends")
	}
	in.checkpoint = notes[len(notes)-1]
	signed, err := ledger.ParseCheckpoint(in.checkpoint, in.key)
	if err != nil {
		return err
	}
	ids := []string{i.ID}
	for _, p := range i.Parts {
		ids = append(ids, p.ID)
	}
	if in.record, err = incident.Files(from.Incidents, ids...); err != nil {
		return err
	}
	for leaf, err := range ledger.Leaves(ctx, from.Ledger, 0) {
		if err != nil {
			return err
		}
		if leaf.Number >= signed.N {
			break
		}
		if leaf.Line == nil {
			continue
		}
		if what, ok := about(leaf.Line); ok && (slices.Contains(ids, what.Incident) || slices.Contains(ids, what.ID)) {
			in.numbers, in.lines = append(in.numbers, leaf.Number), append(in.lines, leaf.Line)
		}
	}
	if len(in.numbers) == 0 {
		return errors.New("the ledger has no leaves of it under its last checkpoint")
	}
	for id := range in.record {
		in.record[id] = in.record[id][:in.covered(id)]
	}
	in.proof, err = ledger.ProveMany(from.Ledger, in.checkpoint, in.key, in.numbers)
	return err
}

// said is what leaves say of an incident.
type said struct {
	Kind     string `json:"kind"`
	Incident string `json:"incident"`
	ID       string `json:"id"` // of an order
	From     int    `json:"from"`
	Bytes    int    `json:"bytes"`
	SHA256   string `json:"sha256"`
}

func about(line []byte) (s said, ok bool) {
	_, object, found := bytes.Cut(line, []byte{' '})
	if !found {
		return s, false
	}
	return s, json.Unmarshal(object, &s) == nil
}

// written are the leaves about what was written to a part's file, by where it begins.
func (in *input) written(id string) []said {
	if in.rows == nil {
		in.rows = map[string][]said{}
		for _, line := range in.lines {
			if s, ok := about(line); ok && s.Kind == "rows" {
				in.rows[s.Incident] = append(in.rows[s.Incident], s)
			}
		}
		for _, of := range in.rows {
			slices.SortFunc(of, func(a, b said) int { return cmp.Compare(a.From, b.From) })
		}
	}
	return in.rows[id]
}

// covered is how many bytes of a part's file leaves prove, from its beginning on.
func (in *input) covered(id string) (end int) {
	b := in.record[id]
	for _, s := range in.written(id) {
		if s.From >= 0 && s.From <= end && s.Bytes > end-s.From && s.Bytes <= len(b)-s.From && hash(b[s.From:s.From+s.Bytes]) == s.SHA256 {
			end = s.From + s.Bytes
		}
	}
	return end
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Names of files in a bundle.
const (
	sums           = "SHA256SUMS"
	leavesFile     = "ledger/leaves.txt"
	proofFile      = "ledger/proof.txt"
	checkpointFile = "ledger/checkpoint.txt"
	messageFile    = "ledger/checkpoint.msg"
	signatureFile  = "ledger/checkpoint.sig"
	keyFile        = "ledger/key.txt"
	pemFile        = "ledger/key.pem"
	forFile        = "FOR.txt"
	recordDir      = "record/"
	recordExt      = ".incident"
)

// files makes all files of a bundle.
func (in *input) files() (map[string][]byte, error) {
	i, counted, err := incident.FromFiles(in.id, in.record)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		forFile:         []byte(in.id + "\n" + strings.Join(strings.Fields(in.for_), " ") + "\n"),
		"incident.json": append(text, '\n'),
		"timeline.csv":  timeline(counted),
		"sources.csv":   sources(i),
		"cost.csv":      costs(i),
		"notices.csv":   notices(i, counted),
		proofFile:       []byte(in.proof),
		checkpointFile:  []byte(in.checkpoint),
		keyFile:         []byte(in.key + "\n"),
	}
	for id, b := range in.record {
		files[recordDir+id+recordExt] = b
	}
	var leaves bytes.Buffer
	for n, line := range in.lines {
		fmt.Fprintf(&leaves, "%d %s\n", in.numbers[n], line)
	}
	files[leavesFile] = leaves.Bytes()
	if err := in.openssl(files); err != nil {
		return nil, err
	}
	for _, lang := range languages {
		page, err := report(i, counted, lang, in.for_)
		if err != nil {
			return nil, err
		}
		files["report."+lang+".html"] = page
	}
	files["README.txt"], files["VERIFY.txt"] = readme(i), verifyText(in)
	var list bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&list, "%s  %s\n", hash(files[name]), name)
	}
	files[sums] = list.Bytes()
	return files, nil
}

// openssl adds the checkpoint, its signature and the key in the forms that openssl reads.
func (in *input) openssl(files map[string][]byte) error {
	body, signatures, ok := strings.Cut(in.checkpoint, "\n\n")
	fields := strings.Fields(signatures)
	key := strings.SplitN(in.key, "+", 3)
	if !ok || len(fields) < 3 || len(key) != 3 {
		return errors.New("the checkpoint or the key is not whole")
	}
	signature, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(signature) != 4+64 {
		return errors.New("the checkpoint has no Ed25519 signature")
	}
	public, err := base64.StdEncoding.DecodeString(key[2])
	if err != nil || len(public) != 1+32 {
		return errors.New("the key is no Ed25519 key")
	}
	der, err := x509.MarshalPKIXPublicKey(ed25519Key(public[1:]))
	if err != nil {
		return err
	}
	files[messageFile], files[signatureFile] = []byte(body+"\n"), signature[4:]
	files[pemFile] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return nil
}

// epoch is the time of all files in a bundle: the oldest that zip knows.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func pack(w io.Writer, files map[string][]byte) error {
	z := zip.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch})
		if err == nil {
			_, err = f.Write(files[name])
		}
		if err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// Bounds of a bundle that is read: it may be anybody's.
const (
	maxFile  = 1 << 30
	maxAll   = 4 << 30
	maxFiles = 10_000
)

// Verified is what Verify found in a bundle.
type Verified struct {
	ID     string
	For    string
	Leaves int
	Signed int64    // leaves of the ledger under its checkpoint
	Key    string   // public key that signed it
	Faults []string // files that are not what they should be, and why
}

// Verify checks a bundle against the public key of who made it; "": against the key that is in it, which shows only that it
// was not altered since by somebody without that key. It trusts nothing in the bundle.
func Verify(r io.ReaderAt, size int64, key string) (Verified, error) {
	got, err := unpack(r, size)
	if err != nil {
		return Verified{}, fmt.Errorf("read bundle: %w", err)
	}
	var v Verified
	fault := func(name, format string, args ...any) {
		v.Faults = append(v.Faults, name+": "+fmt.Sprintf(format, args...))
	}
	in := input{record: map[string][]byte{}, proof: strings.Join(strings.Fields(string(got[proofFile])), "\n") + "\n", checkpoint: string(got[checkpointFile]), key: strings.TrimSpace(string(got[keyFile]))}
	head := strings.Split(string(got[forFile]), "\n")
	if len(head) < 2 {
		fault(forFile, "it does not name the incident")
		return v, nil
	}
	in.id, in.for_ = head[0], head[1]
	v.ID, v.For = in.id, in.for_
	if key = strings.TrimSpace(key); key != "" && key != in.key {
		fault(keyFile, "it is another key than the one you trust")
		in.key = key
	}
	v.Key = in.key
	for name, b := range got {
		if id, ok := strings.CutPrefix(name, recordDir); ok {
			in.record[strings.TrimSuffix(id, recordExt)] = b
		}
	}
	if bad := in.readLeaves(got[leavesFile]); bad > 0 {
		fault(leavesFile, "line %d is no leaf", bad)
		return v, nil
	}
	v.Leaves = len(in.numbers)
	signed, err := ledger.ParseCheckpoint(in.checkpoint, in.key)
	v.Signed = signed.N
	if err != nil {
		fault(checkpointFile, "%v", err)
	} else if err := ledger.CheckMany(in.proof, in.checkpoint, in.key, in.numbers, in.lines); err != nil {
		fault(leavesFile, "%v; or %s was altered", err, proofFile)
	}
	for _, id := range slices.Sorted(maps.Keys(in.record)) {
		if n := in.covered(id); n < len(in.record[id]) {
			fault(recordDir+id+recordExt, "it is not what the ledger says, from byte %d on", n)
		}
	}
	in.written("")
	for _, id := range slices.Sorted(maps.Keys(in.rows)) {
		for _, s := range in.rows[id] {
			if s.From+s.Bytes > len(in.record[id]) {
				fault(recordDir+id+recordExt, "it was cut, or is missing")
				break
			}
		}
	}
	want, err := in.files()
	if err != nil {
		name := recordDir
		if in.record[in.id] == nil {
			name = forFile
		}
		fault(name, "%v", err)
		return v, nil
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if b, ok := got[name]; !ok {
			fault(name, "it is missing")
		} else if !bytes.Equal(b, want[name]) && name != sums {
			fault(name, "it is not what the record and the ledger make it")
		} else if name == sums && !bytes.Equal(b, want[name]) && len(v.Faults) == 0 {
			fault(name, "its sums are not those of the files")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			fault(name, "it does not belong into a bundle")
		}
	}
	return v, nil
}

// readLeaves reads the leaves, and returns the number of a line that is none, counted from 1; 0 if there is none.
func (in *input) readLeaves(b []byte) (bad int) {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		text, leaf, ok := bytes.Cut(line, []byte{' '})
		n, err := strconv.ParseInt(string(text), 10, 64)
		if !whole || !ok || err != nil || strconv.FormatInt(n, 10) != string(text) || n < 0 || len(in.numbers) > 0 && n <= in.numbers[len(in.numbers)-1] {
			return len(in.numbers) + 1
		}
		in.numbers, in.lines, b = append(in.numbers, n), append(in.lines, leaf), rest
	}
	return 0
}

func unpack(r io.ReaderAt, size int64) (map[string][]byte, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	if len(z.File) > maxFiles {
		return nil, fmt.Errorf("it has %d files", len(z.File))
	}
	files := map[string][]byte{}
	all := int64(0)
	for _, f := range z.File {
		if _, twice := files[f.Name]; twice {
			return nil, fmt.Errorf("%q is in it twice", f.Name)
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%q: %w", f.Name, err)
		}
		b, err := io.ReadAll(io.LimitReader(in, maxFile))
		if err := errors.Join(err, in.Close()); err != nil {
			return nil, fmt.Errorf("%q: %w", f.Name, err)
		}
		if all += int64(len(b)); all > maxAll {
			return nil, errors.New("it is larger than any bundle")
		}
		files[f.Name] = b
	}
	return files, nil
}

// sheet writes a table that spreadsheets take for text, whatever the sender put in it.
func sheet(head []string, rows func(add func(...any))) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write(head)
	rows(func(fields ...any) {
		line := make([]string, len(fields))
		for i, f := range fields {
			line[i] = cell(fmt.Sprint(f))
		}
		w.Write(line)
	})
	w.Flush()
	return b.Bytes()
}

// cell is a text that is no formula, and has nothing that hides or turns about what is beside it.
func cell(s string) string {
	s = plain(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return "'" + s
		}
	}
	return s
}

// plain shows what is not to be seen, such as bidi controls and line ends.
func plain(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
	}
	return b.String()
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func timeline(counted []incident.Counted) []byte {
	return sheet([]string{"minute", "client", "class", "action", "consequence", "messages", "copies", "bytes", "connections"}, func(add func(...any)) {
		for _, c := range counted {
			add(utc(c.Minute), c.Client, c.Class, c.Action, c.Consequence, c.Messages, c.Copies, c.Bytes, c.Connections)
		}
	})
}

func sources(i incident.Incident) []byte {
	return sheet([]string{"client", "copies_came", "delivered", "absorbed", "other", "reports_came", "messages", "bytes", "connections", "uncertain"}, func(add func(...any)) {
		for _, s := range i.Servers {
			add(s.Client, s.Copies.Came, s.Copies.Delivered, s.Copies.Absorbed, s.Copies.Other, s.Consequences.Came, s.Messages, s.Bytes, s.Connections, s.Uncertain)
		}
	})
}

func costs(i incident.Incident) []byte {
	return sheet([]string{"noted", "by", "hours", "rate", "currency", "amount", "text"}, func(add func(...any)) {
		for _, c := range i.Costs {
			add(utc(c.At), c.By, c.Hours, c.Rate, c.Currency, fmt.Sprintf("%.2f", c.Hours*c.Rate), c.Text)
		}
	})
}

// after is how many copies a client sent in the minutes that began after its operator was told.
func after(n incident.Note, counted []incident.Counted) (copies int64) {
	for _, c := range counted {
		if c.Client.String() == n.Notified && !c.Consequence && c.Minute.After(n.At) {
			copies += c.Copies
		}
	}
	return copies
}

func notices(i incident.Incident, counted []incident.Counted) []byte {
	return sheet([]string{"told", "client", "by", "copies_after", "text"}, func(add func(...any)) {
		for _, n := range i.Notices() {
			add(utc(n.At), n.Notified, n.By, after(n, counted), n.Text)
		}
	})
}

// sums of money, by currency.
func amounts(i incident.Incident) []string {
	of := map[string]float64{}
	for _, c := range i.Costs {
		of[c.Currency] += c.Hours * c.Rate
	}
	var all []string
	for _, currency := range slices.Sorted(maps.Keys(of)) {
		all = append(all, fmt.Sprintf("%.2f %s", of[currency], currency))
	}
	return all
}

func readme(i incident.Incident) []byte {
	return fmt.Appendf(nil, `Incident %s

report.en.html   who sent what, when, how that is known, and at what cost; to be read first
report.de.html   the same in German
incident.json    all figures
sources.csv      by server    timeline.csv   by minute and server, UTC
cost.csv         work         notices.csv    copies after a server's operator was told
record/          the record itself, to which breakwater only ever added lines
ledger/          the log's entries about it, and their proof under a signed checkpoint
VERIFY.txt       how to check all this

No message and no recipient is in here. In the ledger, keyed hashes stand for mailboxes.
`, i.ID)
}

func verifyText(in *input) []byte {
	return fmt.Appendf(nil, `How to check this bundle

1. That no file was altered since the bundle was made:

       sha256sum -c SHA256SUMS

2. That the checkpoint was signed with the key of the mail host. Ask the host for its key by another way: it writes it into
   its log when it starts. It is

       %s

       openssl pkeyutl -verify -pubin -inkey ledger/key.pem -rawin -in ledger/checkpoint.msg -sigfile ledger/checkpoint.sig

3. That the record is what was logged at the time. Each line of ledger/leaves.txt is one entry: its number in the log, a
   salt, and what it says. Entries of the kind "rows" have the SHA-256 of bytes of a file in record/:

       tail -c +$((FROM+1)) record/ID.incident | head -c BYTES | sha256sum

4. That these entries are under the checkpoint, and all other files follow from the record:

       breakwater incident verify BUNDLE --key KEY

   It needs no mail server, and says which file is not what it should be. The hash of an entry is the SHA-256 of a zero byte and the
   entry without its number (RFC 6962 section 2.1). ledger/proof.txt has the hashes of the largest parts of the tree without one of these
   entries, from left to right; with the entries they give the root in the third line of the checkpoint.
`, in.key)
}
