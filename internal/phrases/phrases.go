// Package phrases holds the words by which mail is known for what it is: what mail systems,
// automatic replies, challenges and mail programs say, one file of words a language, in which
// each list answers one question. The matchers are made of them by message, report and
// classify.
//
// A phrase that a sample below testdata has is proven; any other is unproven, and says where
// it is from. All are in lower case, with single blanks and straight apostrophes.
package phrases

import (
	"embed"
	"fmt"
	"maps"
	"path"
	"slices"

	"breakwater/internal/tomlfile"
)

//go:embed words/*.toml
var files embed.FS

// file is what the file of a language says: for each package that asks, its lists by name.
type file struct {
	Message  map[string]list `toml:"message"`
	Report   map[string]list `toml:"report"`
	Classify map[string]list `toml:"classify"`
}

// list is the phrases of one language that answer a question.
type list struct {
	Proven   []string `toml:"proven"`
	Unproven []string `toml:"unproven"`
	Source   string   `toml:"source"` // of those that are unproven
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
		var f file
		if err := d.Decode(&f); err != nil {
			return nil, err
		}
		for section, lists := range map[string]map[string]list{"message": f.Message, "report": f.Report, "classify": f.Classify} {
			for name, l := range lists {
				key := section + "." + name
				take := func(kind string, texts []string, proven bool) {
					for i, t := range texts {
						line := d.ValueLine(fmt.Sprintf("%s.%s[%d]", key, kind, i))
						p := Phrase{Text: t, Proven: proven, File: e.Name(), Line: line}
						if !proven {
							p.Source = l.Source
						}
						all[key] = append(all[key], p)
					}
				}
				take("proven", l.Proven, true)
				take("unproven", l.Unproven, false)
			}
		}
	}
	return all, nil
}

// Of returns the texts of the lists, such as "report.failures". It panics if there is none.
func Of(lists ...string) []string {
	var texts []string
	for _, name := range lists {
		asked[name] = true
		if len(Lists[name]) == 0 {
			panic("no phrases " + name)
		}
		for _, p := range Lists[name] {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

var asked = map[string]bool{}

// Asked are the lists that somebody asked for.
func Asked() []string { return slices.Sorted(maps.Keys(asked)) }

// Place is the file and the line of a phrase; "" where text is none.
func Place(text string) string { return places[text] }
