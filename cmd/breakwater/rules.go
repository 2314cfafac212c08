package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"breakwater/internal/address"
	"breakwater/internal/config"
	"breakwater/internal/control"
	"breakwater/internal/host"
	"breakwater/internal/rules"
	"breakwater/internal/scenario"
	"breakwater/internal/show"
	"breakwater/internal/tomlfile"
)

// rulesFlags are those of `breakwater rules` and what is below it.
type rulesFlags struct {
	config string
}

// folder is the one that the arguments name, or else the configured one.
func (f *rulesFlags) folder(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	c, err := config.Load(f.config)
	if err != nil {
		return "", exit{exitUsage, err}
	}
	return c.Rules, nil
}

// allow is what aliases the files may have: what the configuration says, if the folder is the configured one
// or a configuration is named, and else any.
func (f *rulesFlags) allow(args []string) ([]rules.Aliases, error) {
	c, err := config.Load(f.config)
	if len(args) > 0 && f.config == "" && (err != nil || !sameFolder(args[0], c.Rules)) {
		return nil, nil
	}
	if err != nil {
		return nil, exit{exitUsage, err}
	}
	return []rules.Aliases{host.AllowedAliases(c)}, nil
}

// sameFolder reports whether two names are those of one folder.
func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// load reads the rules of that folder as they are tried: as if every file said enforce.
func (f *rulesFlags) load(args []string) (*rules.Set, string, error) {
	folder, err := f.folder(args)
	if err != nil {
		return nil, "", err
	}
	set, err := loadRules(folder)
	return set, folder, err
}

func loadRules(folder string) (*rules.Set, error) {
	set, err := rules.Load(os.DirFS(folder))
	if err != nil {
		return nil, exit{exitUsage, fmt.Errorf("rules in %s:\n%w", folder, err)}
	}
	return set, nil
}

func rulesCommand() *cobra.Command {
	f := &rulesFlags{}
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Check, test, explain and reload rule files",
		Long: `Rules works with the rule files of a folder: the configured one, if none is named. Only
reload has anything to do with a daemon that runs.`,
		Example: `  breakwater rules check
  breakwater rules test
  breakwater rules reload`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.config, "config", "", "configuration `file` (default "+config.DefaultFile+")")
	cmd.AddCommand(rulesCheckCommand(f), rulesTestCommand(f), rulesExplainCommand(f), rulesShowCommand(f),
		rulesReloadCommand(f), rulesFactsCommand(), rulesSchemaCommand())
	return cmd
}

// finding is one line of `rules check --json`.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"` // error or warning
	Message  string `json:"message"`
}

func rulesCheckCommand(f *rulesFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FOLDER]",
		Short: "Say what is wrong in the rule files",
		Long: `Check reads all rule files of a folder, their tests, and the phrases in phrases.d beside
the folder, and says everything that is wrong at once. It warns of what is allowed but can not be meant: rules that never match, settings
that contradict each other, files that are not read.

The exit status is 1 if there are errors; warnings alone are none.`,
		Example: `  breakwater rules check
  breakwater rules check ./rules --json | jq -r '.[] | select(.severity == "error").file'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := f.folder(args)
			if err != nil {
				return err
			}
			allow, err := f.allow(args)
			if err != nil {
				return err
			}
			set, warnings, wrong, err := checkFolder(folder, allow...)
			if err != nil {
				return exit{exitReport, err}
			}
			if err := printFindings(cmd.OutOrStdout(), folder, warnings, wrong, asJSON); err != nil {
				return err
			}
			if len(wrong) > 0 {
				return exit{exitReport, fmt.Errorf("%s, %s", show.Number(len(wrong), "error"), show.Number(len(warnings), "warning"))}
			}
			if !asJSON {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s and %s, no errors, %s\n", folder, rules.DefaultFile, show.Number(set.Len(), "more file"), show.Number(len(warnings), "warning"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// checkFolder reads rules, tests, and the phrases beside them. The error is one that is in no file.
func checkFolder(folder string, allow ...rules.Aliases) (set *rules.Set, warnings, wrong []*tomlfile.Error, err error) {
	set, warnings, err = rules.Check(os.DirFS(folder), allow...)
	wrong, rest := tomlfile.Errors(err)
	_, err = scenario.Load(os.DirFS(filepath.Join(folder, scenario.Folder)))
	inTests, restOfTests := tomlfile.Errors(err)
	for _, e := range inTests {
		e.File = filepath.Join(scenario.Folder, e.File)
	}
	inPhrases, restOfPhrases := host.CheckPhrases(folder)
	return set, warnings, slices.Concat(wrong, inTests, inPhrases), errors.Join(rest, restOfTests, restOfPhrases)
}

func printFindings(w io.Writer, folder string, warnings, wrong []*tomlfile.Error, asJSON bool) error {
	found := []finding{}
	for severity, list := range map[string][]*tomlfile.Error{"warning": warnings, "error": wrong} {
		for _, e := range list {
			e.File = filepath.Join(folder, e.File)
			found = append(found, finding{e.File, e.Line, e.Column, severity, e.What})
			e.What = severity + ": " + e.What
		}
	}
	if asJSON {
		return show.JSON(w, found)
	}
	if all := tomlfile.Together(append(warnings, wrong...)); all != nil {
		_, err := fmt.Fprintln(w, all)
		return err
	}
	return nil
}

func rulesShowCommand(f *rulesFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show DOMAIN [FOLDER]",
		Short: "Show what holds for a domain, and which line says so",
		Long: `Show prints everything that holds for a domain, that of the default included, in the form
of a rule file: behind each value stands the line that it comes from. Rules come in the
order in which they are tried.`,
		Example: `  breakwater rules show example.org
  breakwater rules show example.org --json | jq '.settings[] | select(.key == "limit.id.copies")'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, d, broken, err := f.settings(args)
			if err != nil {
				return err
			}
			if asJSON {
				s := showRules(d, settings)
				s.Broken = broken
				return show.JSON(cmd.OutOrStdout(), s)
			}
			for _, b := range broken {
				fmt.Fprintf(cmd.OutOrStdout(), "# %s is broken, in force is %s:\n# %s\n", b.File, b.InForce, strings.ReplaceAll(b.Error, "\n", "\n# "))
			}
			return printSettings(cmd.OutOrStdout(), d, settings)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// settings are those of the domain that the arguments name. Of the configured folder they are what the
// daemon has, broken files or not; of another one an error in a file is an error.
func (f *rulesFlags) settings(args []string) (settings []rules.Setting, d *rules.Domain, broken []brokenFile, err error) {
	domain := address.Domain(args[0])
	if len(args) > 1 {
		if settings, d, err = rules.Settings(os.DirFS(args[1]), domain); err != nil {
			err = exit{exitUsage, fmt.Errorf("rules in %s:\n%w", args[1], err)}
		}
		return settings, d, nil, err
	}
	c, err := config.Load(f.config)
	if err != nil {
		return nil, nil, nil, exit{exitUsage, err}
	}
	settings, d, files, err := host.Settings(c, domain)
	if err != nil {
		return nil, nil, nil, exit{exitUsage, err}
	}
	for _, file := range files {
		if file.Broken != nil {
			broken = append(broken, brokenFile{file.Name, file.InForce(), file.Broken.Error()})
		}
	}
	return settings, d, broken, nil
}

// brokenFile is a rule file with an error, and what is in force instead.
type brokenFile struct {
	File    string `json:"file"`
	InForce string `json:"in_force"`
	Error   string `json:"error"`
}

// shownRules is what `rules show --json` prints.
type shownRules struct {
	File     string          `json:"file"`
	Domains  []string        `json:"domains"` // none: the default
	Settings []rules.Setting `json:"settings"`
	Rules    []shownRule     `json:"rules"`
	Broken   []brokenFile    `json:"broken,omitempty"` // files of the folder
}

type shownRule struct {
	Name   string       `json:"name"`
	When   string       `json:"when"`
	Action rules.Action `json:"action"`
	Text   string       `json:"text,omitempty"`
	Digest rules.Teller `json:"digest,omitempty"`
	From   string       `json:"from"`
}

func showRules(d *rules.Domain, settings []rules.Setting) shownRules {
	s := shownRules{File: d.File, Domains: d.Names, Settings: settings, Rules: []shownRule{}}
	for _, r := range d.Rules() {
		s.Rules = append(s.Rules, shownRule{r.Name, r.When, r.Action, r.Text, r.Digest, r.At.String()})
	}
	return s
}

func printSettings(w io.Writer, d *rules.Domain, settings []rules.Setting) error {
	if len(d.Names) == 0 {
		fmt.Fprintf(w, "# No file names this domain: %s holds.\n", d.File)
	} else {
		fmt.Fprintf(w, "# %s, for %s\n", d.File, joined(d.Names))
	}
	t := show.NewTable(w)
	for _, s := range settings {
		fmt.Fprintf(t, "%s\t# %s\n", s, s.From)
	}
	for _, r := range d.Rules() {
		fmt.Fprintf(t, "\n[[rule]]\t# %s\nname = %s\nwhen = %s\naction = %s\n", r.At, tomlfile.Quote(r.Name), tomlfile.Quote(r.When), tomlfile.Quote(string(r.Action)))
		if r.Text != "" {
			fmt.Fprintf(t, "text = %s\n", tomlfile.Quote(r.Text))
		}
		if r.Digest != "" {
			fmt.Fprintf(t, "digest = %s\n", tomlfile.Quote(string(r.Digest)))
		}
	}
	return t.Flush()
}

func rulesReloadCommand(f *rulesFlags) *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its rule files again",
		Long: `Reload asks the daemon to read its rule files again, as SIGHUP does, and waits until they
are in force. Messages in hand are finished by the rules with which they began. If there is
an error in a file, the old rules stay in force, and the exit status is 1.`,
		Example: "  breakwater rules check && breakwater rules reload",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if socket == "" {
				c, err := config.Load(f.config)
				if err != nil {
					return exit{exitUsage, err}
				}
				socket = c.Control
			}
			daemon := control.NewClient(socket)
			if err := daemon.Reload(cmd.Context()); err != nil {
				return exit{exitReport, err}
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the rules are in force")
			if keys, err := daemon.NeedsRestart(cmd.Context()); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "the configuration is not read again: %v\n", err)
			} else if len(keys) > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "the configuration has changed; it takes effect after a restart: %s\n", joined(keys))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&socket, "control", "", "the daemon's `socket`, if not the configured one")
	return cmd
}

func rulesFactsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "facts",
		Short:   "List what the conditions of rules can ask for",
		Example: "  breakwater rules facts",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := show.NewTable(cmd.OutOrStdout())
			for _, f := range rules.AllFacts {
				doc := f.Doc
				if f.Values != nil {
					doc += ": one of " + joined(f.Values)
				}
				t.Row(f.Name, f.Type(), doc)
			}
			return t.Flush()
		},
	}
}

func joined(all []string) string {
	text := ""
	for i, s := range all {
		if i > 0 {
			text += ", "
		}
		if s == "" {
			s = `""`
		}
		text += s
	}
	return text
}

func rulesSchemaCommand() *cobra.Command {
	var tests bool
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of rule files, for editors",
		Long: `Schema prints the JSON Schema of rule files, or of their tests. Editors that know TOML
(those with taplo, or Even Better TOML) complete and check files that begin with the line
"#:schema schema.json", with the schema beside them.`,
		Example: `  breakwater rules schema > /etc/breakwater/rules/schema.json
  breakwater rules schema --tests > /etc/breakwater/rules/tests/schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := rules.Schema()
			if tests {
				s = scenario.Schema()
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(s)
		},
	}
	cmd.Flags().BoolVar(&tests, "tests", false, "the schema of test files")
	return cmd
}
