package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

type colour string

func (colour) Values() []string { return []string{"red", "green", "blue"} }

type row struct {
	Count int `toml:"count" need:"true" min:"1" max:"9"`
}

type shade struct {
	row
	By map[colour]row `toml:",rest"`
}

type sample struct {
	Name   string           `toml:"name" doc:"What it is called."`
	Wait   Duration         `toml:"wait"`
	Span   time.Duration    `toml:"span"`
	Room   Size             `toml:"room"`
	Number int              `toml:"number"`
	Yes    bool             `toml:"yes"`
	Colour colour           `toml:"colour"`
	List   []colour         `toml:"list"`
	Rows   []row            `toml:"rows"`
	Pair   [2]string        `toml:"pair"`
	Table  map[string]shade `toml:"table"`
}

func TestDecode(t *testing.T) {
	s := sample{Number: 7}
	text := "name = \"a\"\nwait = \"30d\"\nspan = '2d'\nroom = \"64MiB\"\n[table.x]\ncount = 3\nred = {count = 4}\n[[rows]]\ncount = 1\n[[rows]]\ncount = 2\n"
	d, err := Parse("a.toml", []byte(text))
	if err == nil {
		err = d.Decode(&s)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "a" || s.Wait != Duration(720*time.Hour) || s.Span != 48*time.Hour || s.Room != 64<<20 || s.Number != 7 ||
		s.Table["x"].Count != 3 || s.Table["x"].By["red"].Count != 4 || len(s.Rows) != 2 || s.Rows[1].Count != 2 {
		t.Errorf("%+v", s)
	}
	for key, want := range map[string]int{"table.x.count": 6, "wait": 2, "table.x": 5, "table.y": 0, "table.x.red.count": 7, "rows[1].count": 11, "rows[0]": 8} {
		if got := d.Line(key); got != want {
			t.Errorf("%s is in line %d, not %d", key, got, want)
		}
	}
}

// TestErrors has whole errors: what is wrong, the line, and the mark under the place.
func TestErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"name = 1", `a.toml:1:8: name must be a string, not a whole number
    1 | name = 1
      |        ^`},
		{"name = 2026-03-02\nnumber = 1.5\nyes = \"true\"\nlist = {}\ntable = []", `a.toml:1:8: name must be a string, not a date or time
    1 | name = 2026-03-02
      |        ^^^^^^^^^^
a.toml:2:10: number must be a whole number, not a number with a fraction
    2 | number = 1.5
      |          ^^^
a.toml:3:7: yes must be true or false, not a string
    3 | yes = "true"
      |       ^^^^^^
a.toml:4:8: list must be a list, not a table
    4 | list = {}
      |        ^
a.toml:5:1: table must be a table, not a list
    5 | table = []
      | ^^^^^`},
		{"name = \"a\"\nnmae = \"b\"\nx.y = 1\n", `a.toml:2:1: unknown key nmae, did you mean name?
    2 | nmae = "b"
      | ^^^^
a.toml:3:1: unknown key x; there are name, wait, span, room, number, yes, colour, list, rows, pair, table
    3 | x.y = 1
      | ^`},
		{"[table.x]\nblu.count = 1\n\tgreeen.count = 2\ncount = 300", `a.toml:2:1: unknown key blu, did you mean blue?
    2 | blu.count = 1
      | ^^^
a.toml:3:2: unknown key greeen, did you mean green?
    3 | 	greeen.count = 2
      | 	^^^^^^
a.toml:4:9: count is 300; it must be between 1 and 9
    4 | count = 300
      |         ^^^`},
		{"rows = [{count = 1}, {coumt = 2}]\n", `a.toml:1:1: count is missing
    1 | rows = [{count = 1}, {coumt = 2}]
      | ^^^^
a.toml:1:23: unknown key coumt, did you mean count?
    1 | rows = [{count = 1}, {coumt = 2}]
      |                       ^^^^^`},
		{"[[rows]]\ncount = 1\n[[rows]]\n[[rows]]\ncount = 12\n", `a.toml:3:3: count is missing
    3 | [[rows]]
      |   ^^^^
a.toml:5:9: count is 12; it must be between 1 and 9
    5 | count = 12
      |         ^^`},
		{"colour = 'gren'\nlist = ['red',\n 'grün']", `a.toml:1:10: colour can not be "gren"; it can be red, green, blue; did you mean green?
    1 | colour = 'gren'
      |          ^^^^^^
a.toml:3:2: list[1] can not be "grün"; it can be red, green, blue; did you mean green?
    3 |  'grün']
      |  ^^^^^^`},
		{"span = 10m # ten", `a.toml:1:10: the value stands in no quotes; write "10m"
    1 | span = 10m # ten
      |          ^`},
		{"colour = red\r\n", `a.toml:1:10: the value stands in no quotes; write "red"`},
		{"list = [red]", "at start of value"},
		{"[rows]\ncount = 1", `a.toml:1:2: rows is a list of tables; write [[rows]]`},
		{"yes = true\n# Gr\xfc\xdfe", `a.toml:2:5: the file is not in UTF-8`},
		{"pair = ['a']", "a.toml:1:1: pair must have 2 values, not 1"},
		{"pair = ['a', 2]", "a.toml:1:14: pair[1] must be a string, not a whole number"},
		{"\nwait = \"3 hours\"", `a.toml:2:8: "3 hours" is not a valid time span; write it like 10m, 24h or 30d
    2 | wait = "3 hours"
      |        ^^^^^^^^^`},
		{"wait = \"-1h\"", "is not a valid time span"},
		{"span = \"d\"", "is not a valid time span"},
		{"room = \"64MB\"", "is no size"},
		{"room = \"9999999999TiB\"", "is no size"},
		{"[table", "a.toml:1:6: "},
		{"name = \"a\"\nname = \"b\"", "a.toml:2:1: "},
		{"# Grüße\nname = \"Grüße\" wait", "a.toml:2:16: "},
		{strings.Repeat("a.", 100) + "b = 1", "too many parts"},
		{"list = " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "too many tables"},
		{strings.Repeat("#\n", MaxSize), "longer than 1048576 bytes"},
		{"name = \"" + strings.Repeat("a", 500) + "\" # \nwait = 1", "a.toml:2:8"},
		{"name = 1 # " + strings.Repeat("a", 500), strings.Repeat("a", 109) + "\n"},
		{strings.Repeat(" ", 500) + "name = 1", "a.toml:1:508: name must be"},
		{"name = \"\"\"\n\"\"\" 1", "a.toml:2:5"},
		{"[table.'a b']\ncoun = 1", "unknown key coun, did you mean count?"},
	}
	for _, tt := range tests {
		err := Decode("a.toml", []byte(tt.text), new(sample))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.200q: got\n%v\nwant\n%s", tt.text, err, tt.want)
		}
	}
}

func TestWrongIn(t *testing.T) {
	tests := []struct {
		text         string
		line, column int
		want         string
	}{
		{`name = 'a < "b"'`, 1, 5, "a.toml:1:13: "},
		{`name = "a < b"`, 1, 3, "a.toml:1:11: "},
		{"name = '''\na <\n  b'''", 2, 3, "a.toml:3:3: "},
		{"name = '''a <\n  b'''", 2, 3, "a.toml:2:3: "},
		{"name = '''a <\n  b'''", 1, 3, "a.toml:1:13: "},
		{"name = \"\"\"\r\na < b\"\"\"", 1, 1, "a.toml:2:1: "},
	}
	for _, tt := range tests {
		d, err := Parse("a.toml", []byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.WrongIn("name", tt.line, tt.column, 1, "no").Error(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s", tt.text, got)
		}
	}
}

func TestErrorsOf(t *testing.T) {
	err := Decode("a.toml", []byte("x = 1\nname = 1\n"), new(sample))
	other := errors.New("disk on fire")
	wrong, rest := Errors(errors.Join(err, other, Decode("b.toml", []byte("wait = 1"), new(sample))))
	if len(wrong) != 3 || wrong[1].Line != 2 || wrong[2].File != "b.toml" || !errors.Is(rest, other) {
		t.Errorf("%v, %v", wrong, rest)
	}
}

func TestRead(t *testing.T) {
	fsys := fstest.MapFS{"a.toml": {Data: []byte("name = 'a'")}, "b.toml": {Data: bytes.Repeat([]byte("#\n"), MaxSize)}}
	if d, err := Read(fsys, "a.toml"); err != nil || d.Tree["name"] != "a" {
		t.Error(d, err)
	}
	if _, err := Read(fsys, "b.toml"); err == nil || !strings.Contains(err.Error(), "split it") {
		t.Error(err)
	}
	if _, err := Read(fsys, "c.toml"); err == nil || !strings.Contains(err.Error(), "c.toml") {
		t.Error(err)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"copiez", "copies", 1}, {"nmae", "name", 2}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%s, %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestDurationString(t *testing.T) {
	for _, s := range []string{"10m", "24h", "48h", "3d", "30d", "1h30m", "15s", "1m30s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(s)); err != nil || d.String() != s {
			t.Errorf("%s: %v, %v", s, d, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name = \"a\"\n[table.x]\ncount = 3\nred.count = 2\n[[rows]]\ncount = 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		wrong, rest := Errors(Decode("a.toml", b, new(sample)))
		if rest != nil {
			t.Fatalf("an error without a place: %v", rest)
		}
		for _, e := range wrong {
			if e.Line < 1 || e.Line > bytes.Count(b, []byte("\n"))+1 || e.Column < 1 || e.Error() == "" || e.What == "" {
				t.Fatalf("%+v", e)
			}
		}
	})
}

// TestMarks has marks within strings, whatever way they are written.
func TestMarks(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`name = 'üü here'`, "1:12 4"},
		{`name = "üü here"`, "1:12 4"},
		{`name = "\u00fc\\ here"`, "1:18 4"},
		{`name = "\U000000fc\" h\"re"`, "1:22 5"},
		{"name = \"\"\"üü \\\n   here\"\"\"", "2:4 4"},
		{"name = \"\"\"\nüü here\"\"\"", "2:4 4"},
		{"name = '''\r\nüü here'''", "2:4 4"},
	} {
		d, err := Parse("a.toml", []byte(tt.text))
		if err != nil {
			t.Fatalf("%s: %v", tt.text, err)
		}
		e := d.WrongIn("name", 1, 4, 4, "")
		if got := fmt.Sprintf("%d:%d %d", e.Line, e.Column, e.Width); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
	d, err := Parse("a.toml", []byte("name = \"a\\nb\"\nspan = \"\"\"\na\nb\"\"\""))
	if err != nil {
		t.Fatal(err)
	}
	if e := d.WrongIn("name", 2, 1, 1, ""); e.Line != 1 || e.Column != 12 {
		t.Errorf("the second line of a string that is written in one: %v", e)
	}
	if e := d.WrongIn("span", 2, 1, 1, ""); e.Line != 4 || e.Column != 1 || e.Width != 1 {
		t.Errorf("the second line: %v", e)
	}
}

// TestByteOrderMark reads a file as Windows writes it.
func TestByteOrderMark(t *testing.T) {
	var s sample
	if err := Decode("a.toml", []byte("\ufeffname = \"a\"\r\n"), &s); err != nil || s.Name != "a" {
		t.Error(s, err)
	}
}
