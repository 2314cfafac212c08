// Package phrases holds the words by which mail is known for what it is: what mail systems,
// automatic replies, challenges and mail programs say, a file of words for each language. Each
// list answers one question, which the comment above it says. message, report and classify make
// their matchers of them.
//
// A phrase that a sample in testdata has is proven. Any other is unproven, and the file says
// where it is from. All are in lower case, with single blanks and straight apostrophes.
//
// # To teach breakwater a mail that it takes for something else
//
//  1. Put the mail into testdata, into the folder of what it is, as x.eml: with example
//     domains, and nothing of anybody who lives.
//  2. Add the words by which it can be known to the list that asks for them, in the file of
//     their language, under proven. If the file lacks that list, copy its comment and its
//     heading from en.toml. Names of programs and addresses are in any.toml.
//  3. Run go test ./internal/report -update, and read what breakwater says of it now in x.want.
//  4. Run go test ./internal/report ./internal/classify. They say whether any other sample is
//     taken for something else, and whether the phrase is in two lists or proven by nothing.
//
// Add a sample of a person who uses the same words, too, to ordinary.
package phrases

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"breakwater/internal/tomlfile"
)

//go:embed words/*.toml
var files embed.FS

// file is what the file of a language says: for each package that asks, its lists by name.
type file struct {
	Source   string          `toml:"source"` // where the phrases are from that are unproven
	Message  map[string]list `toml:"message"`
	Report   map[string]list `toml:"report"`
	Classify map[string]list `toml:"classify"`
}

// list is the phrases of one language that answer a question.
type list struct {
	Phrases  []string `toml:"phrases"` // of a file that adds to those of the program
	Proven   []string `toml:"proven"`
	Unproven []string `toml:"unproven"`
	Source   string   `toml:"source"` // where it differs
}

// Phrase is one phrase.
type Phrase struct {
	Text   string
	Proven bool
	Source string // where it is from, if no sample has it
	File   string // such as "de.toml"
	Line   int
}

// Place is the file and the line of a phrase, such as "de.toml:12".
func (p Phrase) Place() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Lists are all phrases by the name of their list, such as "report.failures", those of the
// same file in the order in which they are there.
var Lists = mustRead()

var places = func() map[string]string {
	all := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(Lists)) {
		for _, p := range Lists[name] {
			if _, known := all[p.Text]; !known {
				all[p.Text] = p.Place()
			}
		}
	}
	return all
}()

func mustRead() map[string][]Phrase {
	all, err := read()
	if err != nil {
		panic(err) // the files are part of the program, and tested
	}
	return all
}

func read() (map[string][]Phrase, error) {
	entries, err := files.ReadDir("words")
	if err != nil {
		return nil, fmt.Errorf("read phrases: %w", err)
	}
	all := map[string][]Phrase{}
	for _, e := range entries {
		d, err := tomlfile.Read(files, path.Join("words", e.Name()))
		if err != nil {
			return nil, err
		}
		if err := take(d, e.Name(), all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// take adds the phrases of a file to all.
func take(d *tomlfile.Document, name string, all map[string][]Phrase) error {
	var f file
	if err := d.Decode(&f); err != nil {
		return err
	}
	for section, lists := range map[string]map[string]list{"message": f.Message, "report": f.Report, "classify": f.Classify} {
		for of, l := range lists {
			key := section + "." + of
			add := func(kind string, texts []string, proven bool) {
				for i, text := range texts {
					p := Phrase{Text: text, Proven: proven, File: name, Line: line(d, key, kind, i)}
					if !proven {
						p.Source = cmp.Or(l.Source, f.Source)
					}
					all[key] = append(all[key], p)
				}
			}
			add("proven", l.Proven, true)
			add("unproven", l.Unproven, false)
			add("phrases", l.Phrases, false)
		}
	}
	return nil
}

// Check says what is wrong in a file that is to add to the phrases, all at once: an error of
// package tomlfile.
func Check(fsys fs.FS, name string) error {
	_, err := added(fsys, name)
	return err
}

// Add adds the phrases of a file to those that the program has, and has every matcher made
// anew. It is for the start of a program, before anything is matched.
func Add(fsys fs.FS, name string) error {
	all, err := added(fsys, name)
	if err != nil {
		return err
	}
	for list, more := range all {
		Lists[list] = append(Lists[list], more...)
		for _, p := range more {
			places[p.Text] = p.Place()
		}
	}
	for _, load := range matchers {
		load()
	}
	return nil
}

// added reads a file that adds to lists that there are.
func added(fsys fs.FS, name string) (map[string][]Phrase, error) {
	d, err := tomlfile.Read(fsys, name)
	if err != nil {
		return nil, err
	}
	all := map[string][]Phrase{}
	if err := take(d, name, all); err != nil {
		return nil, err
	}
	var wrong []*tomlfile.Error
	for _, list := range slices.Sorted(maps.Keys(all)) {
		if len(Lists[list]) == 0 {
			wrong = append(wrong, d.WrongKey(list, "there is no list %s%s", list, tomlfile.DidYouMean(list, slices.Sorted(maps.Keys(Lists)))))
			continue
		}
		for i, p := range all[list] {
			key := fmt.Sprintf("%s.phrases[%d]", list, i)
			switch twice := slices.ContainsFunc(Lists[list], func(q Phrase) bool { return q.Text == p.Text && q.File != name }); {
			case len(p.Text) < 3:
				wrong = append(wrong, d.WrongValue(key, "%q is too short; write at least three bytes", p.Text))
			case p.Text != strings.ToLower(p.Text) || strings.Contains(p.Text, "  ") || strings.ContainsAny(p.Text, "\n\t’"):
				wrong = append(wrong, d.WrongValue(key, "write %q in lower case, with single blanks and straight apostrophes", p.Text))
			case twice:
				wrong = append(wrong, d.WrongValue(key, "the list has %q already", p.Text))
			}
		}
	}
	return all, tomlfile.Together(wrong)
}

// line is that of the phrase at i of a list.
func line(d *tomlfile.Document, key, kind string, i int) int {
	return d.ValueLine(key + "." + kind + "[" + strconv.Itoa(i) + "]")
}

// Asked are the lists that somebody asked for.
func Asked() []string { return slices.Sorted(maps.Keys(asked)) }

// Place is the file and the line of a phrase; "" where text is none.
func Place(text string) string { return places[text] }
