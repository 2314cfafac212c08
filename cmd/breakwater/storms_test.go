package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"breakwater/internal/control"
)

func TestPrintLearners(t *testing.T) {
	at := time.Now()
	var b bytes.Buffer
	err := printLearners(&b, []control.Learner{
		{Domain: "a.example"}, {Domain: "b.example", Since: at, Until: at.Add(time.Hour), Spared: 112}, {Domain: "c.example", Since: at, Until: at.Add(-time.Hour)},
	}, at)
	for _, want := range []string{"a.example: not learning yet\n", "b.example: learning until ", ", would have absorbed 112\n", "c.example: learned since "} {
		if err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing, %v:\n%s", want, err, b.String())
		}
	}
}
