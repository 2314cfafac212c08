package tomlfile

import (
	"strings"
	"testing"
	"time"
)

type sample struct {
	Name  string
	Wait  Duration
	Room  Size
	Table map[string]struct{ Count int }
}

func TestDecode(t *testing.T) {
	var s sample
	text := "name = \"a\"\nwait = \"30d\"\nroom = \"64MiB\"\n[table.x]\ncount = 3\n"
	if err := Decode("a.toml", []byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if s.Wait != Duration(720*time.Hour) || s.Room != 64<<20 || s.Table["x"].Count != 3 {
		t.Errorf("%+v", s)
	}
	at := Positions([]byte(text))
	if at["table.x.count"] != (Position{5, 1}) || at["wait"] != (Position{2, 1}) || at["table.x"] != (Position{4, 2}) {
		t.Errorf("%v", at)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"name = 1", "a.toml:1:8: "},
		{"name = \"a\"\nnmae = \"b\"\nx.y = 1\n", "a.toml:2:1: unknown key nmae"},
		{"nmae = \"b\"\n[x]\ny = 1\n", "a.toml:2:2: unknown key x"},
		{"\nwait = \"3 hours\"", "a.toml:2:8: "},
		{"wait = \"-1h\"", "is no time span"},
		{"wait = \"d\"", "is no time span"},
		{"room = \"64MB\"", "is no size"},
		{"room = \"9999999999TiB\"", "is no size"},
		{"[table", "a.toml:1:"},
		{"name = \"a\"\nname = \"b\"", "a.toml:"},
	}
	for _, tt := range tests {
		err := Decode("a.toml", []byte(tt.text), new(sample))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name = \"a\"\n[table.x]\ncount = 3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if Decode("a.toml", b, new(sample)) == nil {
			Positions(b)
		}
	})
}
