// Accuracy runs the classifier over labelled mail and says how right it is. Then it says how
// well near-duplicates are told: of generated messages and what gateways make of them, of
// series that look alike, and of the labelled mail, in which each pair that is near is listed.
// It says, too, in how many reports each proof of origin could work at all.
//
//	go run ./internal/tools/accuracy [DIR]
//
// DIR holds manifest.tsv, with columns path, class, expected_recipients, source and note, and
// the messages that it names. Without DIR it measures testdata/, by the names of its folders.
package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/classify"
	"breakwater/internal/mailfile"
	"breakwater/internal/message"
)

// sample is a labelled message.
type sample struct {
	path, label, source, note string
	expected                  []string // failed recipients, where the source states them
}

// result is what the classifier makes of one.
type result struct {
	sample
	message *message.Message
	verdict classify.Verdict
}

// classes are what a label stands for. Bulk, personal mail and spam need not be told apart:
// what counts is that none of them is taken for a report or an automatic answer.
var classes = map[string]string{
	"dsn-failure": "dsn", "dsn-delayed": "dsn", "dsn-success": "dsn", "dsn": "dsn", "mdn": "mdn", "autoreply": "auto-reply", "auto-reply": "auto-reply",
	"challenge": "challenge", "feedback": "feedback", "bulk": "other", "human": "other", "spam": "other", "ordinary": "other",
}

func (s sample) class() string {
	if s.label == "autoreply" && strings.HasPrefix(s.note, "form-ack") {
		return "form-ack" // scored apart: they carry no sign of their own
	}
	return classes[s.label]
}

func (r result) class() string {
	if c := r.verdict.Class; c != classify.Bulk && c != classify.Personal {
		return string(c)
	}
	return "other"
}

func main() {
	dir := ""
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(os.Stdout, dir); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, dir string) error {
	samples, err := own()
	if dir != "" {
		samples, err = manifest(dir)
	}
	if err != nil {
		return err
	}
	var results []result
	for _, s := range samples {
		raw, err := os.ReadFile(s.path)
		if err != nil {
			return err
		}
		f := mailfile.File{Path: s.path, Raw: raw}
		m := message.Parse(f.Envelope(), time.Time{}, raw)
		results = append(results, result{s, m, classify.Classify(m)})
	}
	bySource(w, results)
	confusion(w, results)
	byClass(w, results)
	actions(w, results)
	recipients(w, results)
	methods(w, results)
	mistakes(w, results)
	recall(w, 40)
	lookalikes(w)
	return falsePairs(w, results)
}

// own are the samples in testdata/.
func own() ([]sample, error) {
	files, err := filepath.Glob("testdata/*/*.eml")
	var all []sample
	for _, f := range files {
		folder := filepath.Base(filepath.Dir(f))
		all = append(all, sample{path: f, label: folder, source: "testdata"})
	}
	return all, err
}

func manifest(dir string) ([]sample, error) {
	f, err := os.Open(filepath.Join(dir, "manifest.tsv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("read manifest of %s: %w", dir, err)
	}
	column := func(row []string, name string) string {
		if i := slices.Index(rows[0], name); i >= 0 && i < len(row) {
			return row[i]
		}
		return ""
	}
	var all []sample
	for _, row := range rows[1:] {
		s := sample{path: filepath.Join(dir, column(row, "path")), label: column(row, "class"), source: repository(column(row, "source")), note: column(row, "note")}
		s.expected = strings.FieldsFunc(strings.ToLower(column(row, "expected_recipients")), func(r rune) bool { return strings.ContainsRune(" ,;", r) })
		if s.class() == "" {
			return nil, fmt.Errorf("%s: unknown class %q", s.path, s.label)
		}
		all = append(all, s)
	}
	return all, nil
}

// repository is where a source is from, without the file and its version.
func repository(source string) string {
	source, _, _ = strings.Cut(source, " ")
	source = address.Local(source)
	return source
}
