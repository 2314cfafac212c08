package digest

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"breakwater/internal/rules"
	"breakwater/internal/tomlfile"
)

// Each file of words is a language: to add one, add a file and its name to rules.Languages.
//
//go:embed words/*.toml
var wordFiles embed.FS

// words are all that depends on the language.
type words struct {
	Thousands string    `toml:"thousands"`
	Decimal   string    `toml:"decimal"`
	Date      string    `toml:"date"` // layout of package time
	Quotes    [2]string `toml:"quotes"`
	Mail      [2]string `toml:"mail"` // one, several

	Phrase map[string]string `toml:"phrase"`
	Class  map[string]string `toml:"class"`
	Flood  map[string]string `toml:"flood"`  // what a flood of distinct mails is, by its kind
	Advice map[string]string `toml:"advice"` // and what ends it
	Action map[string]string `toml:"action"` // RFC 3464 §2.3.3
	Status map[string]string `toml:"status"` // RFC 3463 §3, without the class

	phrases *template.Template
}

var languages = mustWords()

func mustWords() map[string]*words {
	all := map[string]*words{}
	for _, l := range rules.Languages {
		w, err := readWords(l)
		if err != nil {
			panic(err) // the files are part of the program, and tested
		}
		all[l] = w
	}
	return all
}

func readWords(language string) (*words, error) {
	name := "words/" + language + ".toml"
	data, err := wordFiles.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read words: %w", err)
	}
	w := &words{}
	if err := tomlfile.Decode(name, data, w); err != nil {
		return nil, err
	}
	w.phrases = template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"n": w.number, "mails": w.mails, "size": w.size, "foreign": clean, "date": func(t time.Time) string { return t.Format(w.Date) },
	})
	for key, text := range w.Phrase {
		if _, err := w.phrases.New(key).Parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return w, nil
}

// say is a phrase about something.
func (w *words) say(key string, about any) (string, error) {
	var b strings.Builder
	if err := w.phrases.ExecuteTemplate(&b, key, about); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (w *words) number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + w.Thousands + s[i:]
	}
	return s
}

func (w *words) mails(n int) string {
	if n == 1 {
		return "1 " + w.Mail[0]
	}
	return w.number(n) + " " + w.Mail[1]
}

// size is a number of bytes, such as 1.5 MiB.
func (w *words) size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprint(bytes, " B")
	}
	f, unit := float64(bytes), 0
	for f >= 1023.95 && unit < 4 {
		f, unit = f/(1<<10), unit+1
	}
	return strings.Replace(fmt.Sprintf("%.1f", f), ".", w.Decimal, 1) + " " + [...]string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

// meaning says in words what became of a recipient.
func (w *words) meaning(action, status string) string {
	class, detail, _ := strings.Cut(status, ".")
	if action == "" {
		action = map[string]string{"5": "failed", "4": "delayed", "2": "delivered"}[class]
	}
	what, ok := w.Action[action]
	if !ok {
		what = w.Action[""]
	}
	why := w.Status[detail]
	if why == "" {
		subject, _, _ := strings.Cut(detail, ".")
		why = w.Status[subject]
	}
	if why == "" || detail == "0.0" {
		return what
	}
	return what + ": " + why
}
