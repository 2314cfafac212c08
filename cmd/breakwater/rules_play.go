package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/scenario"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/tomlfile"
)

// scratchKey is that of all scratch engines: their stores are thrown away, so it protects nothing. What
// counts as nearly the same text depends a little on the key, and two rule sets are compared by equal ones.
var scratchKey = make([]byte, 32)

// scratch is an engine that has seen nothing yet, with its store in memory, or in a folder
// if one is named. The caller closes the store.
func scratch(set *rules.Set, folder string) (*engine.Engine, error) {
	store, err := badgerdb.Open(folder, badgerdb.Options{InMemory: folder == ""})
	if err != nil {
		return nil, err
	}
	ring := (&origin.Ring{}).With(scratchKey, time.Time{}, time.Time{})
	return &engine.Engine{
		Store: store, Rules: func() *rules.Set { return set }, Hasher: fingerprint.New(scratchKey), Ring: func() *origin.Ring { return ring },
		Site: engine.Site{SubmitDaemons: config.Default().Site.SubmitDaemons},
	}, nil
}

// played is what `rules test --json` prints of a test.
type played struct {
	Test     string   `json:"test"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
	OK       bool     `json:"ok"`
	Messages int      `json:"messages"`
	Wrong    []string `json:"wrong,omitempty"`
}

// player plays tests and prints how they end.
type player struct {
	set             *rules.Set
	folder          string // of the tests
	out             io.Writer
	asJSON, verbose bool
	tests, messages int
	failed          int
}

func rulesTestCommand(f *rulesFlags) *cobra.Command {
	p := &player{}
	var only string
	cmd := &cobra.Command{
		Use:   "test [FOLDER]",
		Short: "Play the tests that lie beside the rules",
		Long: `Test plays the tests in FOLDER/tests: messages that are made up or lie there as files, in
sequences such as "50 copies in a minute", with the actions that are expected. Each test
begins with nothing seen, but that what domains send is known for weeks. All rules are tried as if their files said mode = "enforce".

The exit status is 1 if a test fails.`,
		Example: `  breakwater rules test
  breakwater rules test ./rules --run 'storm|newsletter' --verbose`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pattern, err := regexp.Compile(only)
			if err != nil {
				return exit{exitUsage, fmt.Errorf("--run: %w", err)}
			}
			set, folder, err := f.load(args)
			if err != nil {
				return err
			}
			p.set, p.out, p.folder = set.Enforced(), cmd.OutOrStdout(), filepath.Join(folder, scenario.Folder)
			return p.run(cmd.Context(), pattern)
		},
	}
	cmd.Flags().StringVar(&only, "run", "", "only tests whose names match a `regexp`")
	cmd.Flags().BoolVarP(&p.verbose, "verbose", "v", false, "print every test, not only those that fail")
	cmd.Flags().BoolVar(&p.asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func (p *player) run(ctx context.Context, only *regexp.Regexp) error {
	tests, err := scenario.Load(os.DirFS(p.folder))
	if err != nil {
		return exit{exitUsage, fmt.Errorf("tests in %s:\n%w", p.folder, err)}
	}
	begun := time.Now()
	for _, t := range tests {
		if only.MatchString(t.Name) {
			if err := p.play(ctx, t); err != nil {
				return exit{exitReport, err}
			}
		}
	}
	switch {
	case p.failed > 0:
		return exit{exitReport, fmt.Errorf("%d of %s failed", p.failed, number(p.tests, "test"))}
	case p.tests == 0:
		return exit{exitReport, fmt.Errorf("there are no tests in %s; the README says what one looks like", p.folder)}
	case !p.asJSON:
		_, err = fmt.Fprintf(p.out, "%s with %s passed in %v\n", number(p.tests, "test"), number(p.messages, "message"), time.Since(begun).Round(time.Millisecond))
	}
	return err
}

// play plays one test. The error is one of ours, not of the test.
func (p *player) play(ctx context.Context, t *scenario.Test) error {
	e, err := scratch(p.set, "")
	if err != nil {
		return err
	}
	defer e.Store.Close()
	if err := e.AssumeIndex(ctx, scenario.Start, scenario.Start.Add(origin.Life)); err != nil {
		return err
	}
	n, err := t.Run(ctx, e.Judge)
	wrong, rest := tomlfile.Errors(err)
	if rest != nil {
		return rest
	}
	r := played{Test: t.Name, File: filepath.Join(p.folder, t.File), Line: t.Line, OK: len(wrong) == 0, Messages: n}
	p.tests++
	p.messages += n
	if !r.OK {
		p.failed++
	}
	for _, e := range wrong {
		e.File = filepath.Join(p.folder, e.File)
		r.Wrong = append(r.Wrong, e.Error())
	}
	return p.print(r)
}

func (p *player) print(r played) error {
	if p.asJSON {
		return json.NewEncoder(p.out).Encode(r)
	}
	if r.OK && !p.verbose {
		return nil
	}
	state := "ok  "
	if !r.OK {
		state = "FAIL"
	}
	fmt.Fprintf(p.out, "%s  %s (%s)\n", state, r.Test, number(r.Messages, "message"))
	for _, w := range r.Wrong {
		fmt.Fprintln(p.out, w)
	}
	return nil
}
