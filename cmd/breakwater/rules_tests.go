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

	"breakwater/internal/rules"
	"breakwater/internal/scenario"
	"breakwater/internal/show"
	"breakwater/internal/trial"
)

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
starts with empty counters and a complete index of sent mail. All rules are tried as if their files said mode = "enforce".

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
		return exit{exitReport, fmt.Errorf("%d of %s failed", p.failed, show.Number(p.tests, "test"))}
	case p.tests == 0:
		return exit{exitReport, fmt.Errorf("there are no tests in %s; the README says what one looks like", p.folder)}
	case !p.asJSON:
		_, err = fmt.Fprintf(p.out, "%s with %s passed in %v\n", show.Number(p.tests, "test"), show.Number(p.messages, "message"), time.Since(begun).Round(time.Millisecond))
	}
	return err
}

// play plays one test, counts it and prints how it ended.
func (p *player) play(ctx context.Context, t *scenario.Test) error {
	r, err := trial.Play(ctx, p.set, p.folder, t)
	if err != nil {
		return err
	}
	p.tests++
	p.messages += r.Messages
	if !r.OK {
		p.failed++
	}
	return p.print(r)
}

func (p *player) print(r trial.Played) error {
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
	fmt.Fprintf(p.out, "%s  %s (%s)\n", state, r.Test, show.Number(r.Messages, "message"))
	for _, w := range r.Wrong {
		fmt.Fprintln(p.out, w)
	}
	return nil
}
