package mailfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const one = "From: a@example.org\nTo: b@example.org\nSubject: one\n\nbody\n"

func TestWalk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.eml", one)
	put(t, dir, "b/box", "From x Mon\nSubject: 1\n\n>From here\n>>From there\nFrom the middle\n\nFrom y Tue\nSubject: 2\n\nlast")
	put(t, dir, "c/cur/1:2,S", one)
	put(t, dir, "c/new/2", one)
	put(t, dir, "c/tmp/3", one)
	put(t, dir, "c/dovecot.index", "binary")
	put(t, dir, "d/notes.txt", "not mail: at all\n")
	put(t, dir, "e/plain", one)
	var got []string
	raw := map[string]string{}
	for f, err := range Walk([]string{dir, "-", filepath.Join(dir, "d/notes.txt"), "/nonexistent"}, strings.NewReader(one)) {
		name := strings.TrimPrefix(f.Path, dir+"/")
		if err != nil {
			name = "error"
		}
		got = append(got, name)
		raw[name] = string(f.Raw)
	}
	if want := "a.eml b/box#1 b/box#2 c/cur/1:2,S c/new/2 e/plain - d/notes.txt error"; strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if raw["b/box#1"] != "Subject: 1\n\nFrom here\n>From there\nFrom the middle\n\n" || raw["b/box#2"] != "Subject: 2\n\nlast" {
		t.Errorf("%q, %q", raw["b/box#1"], raw["b/box#2"])
	}
}

func TestStop(t *testing.T) {
	for range Walk([]string{"-", "-"}, strings.NewReader("From a\n\nx\n\nFrom b\n\ny\n")) {
		break
	}
}

func TestLong(t *testing.T) {
	long := one + strings.Repeat("x", MaxMessage)
	for _, text := range []string{long, "From a\n" + long + "\n\nFrom b\n" + one} {
		for f, err := range Walk([]string{"-"}, strings.NewReader(text)) {
			if err != nil || len(f.Raw) > MaxMessage || f.Truncated != (f.Path != "-#2") {
				t.Errorf("%s: %d bytes, truncated %v, %v", f.Path, len(f.Raw), f.Truncated, err)
			}
		}
	}
}

func TestEnvelope(t *testing.T) {
	env := File{Raw: []byte("Return-Path: <a@example.org>\nDelivered-To: b@example.org\n" + one)}.Envelope()
	if !env.Rebuilt || env.ReversePath != "a@example.org" || len(env.Recipients) != 1 || env.Recipients[0].Addr != "b@example.org" {
		t.Errorf("%+v", env)
	}
}

func FuzzMbox(f *testing.F) {
	f.Add([]byte("From a\nSubject: x\n\n>From b\n\nFrom c\n\ny"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte("From \n"), b...)
		size, n := 0, 0
		for f, err := range Walk([]string{"-"}, bytes.NewReader(b)) {
			n++
			if size += len(f.Raw); err != nil || f.Path != fmt.Sprintf("-#%d", n) {
				t.Fatal(f.Path, err)
			}
		}
		if size > len(b) || n == 0 {
			t.Errorf("%d bytes in %d messages from %d", size, n, len(b))
		}
	})
}
