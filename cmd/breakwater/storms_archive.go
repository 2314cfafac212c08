package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/archive"
	"breakwater/internal/release"
	"breakwater/internal/show"
)

// sparkline draws the rate, highest where most came.
func sparkline(a *release.Held) string {
	most := 1
	for _, r := range a.Rate {
		most = max(most, r.Copies)
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, r := range a.Rate {
		if r.Copies == 0 {
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(bars[(r.Copies*len(bars)-1)/most])
	}
	return b.String()
}

func printHeld(w io.Writer, a *release.Held) error {
	if a.Copies == 0 {
		_, err := fmt.Fprint(w, "  nothing of it is in the archive\n\n")
		return err
	}
	t := show.NewTable(w)
	fmt.Fprintf(t, "  in the archive\t%s for %s, in %s, %s\n", show.Number(a.Copies, "copy"), show.Number(a.Mailboxes, "mailbox"), show.Number(a.Messages, "message"), show.Bytes(a.Bytes))
	if a.Released > 0 {
		fmt.Fprintf(t, "  released\t%s of them\n", show.Thousands(a.Released))
	}
	fmt.Fprintf(t, "  came\t%s to %s\n", a.First.Local().Format(time.DateTime), a.Last.Local().Format(time.DateTime))
	fmt.Fprintf(t, "  rate\t│%s│\n", sparkline(a))
	for _, r := range a.Rules {
		fmt.Fprintf(t, "  absorbed by\t%s (%s)\n", r.Rule, show.Thousands(r.Copies))
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func stormsVerifyCommand(f *stormsFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read the whole archive back, and check it",
		Long: `Verify reads every absorbed copy back and checks it against its SHA-256. The exit status
is 1 when something is damaged. The daemon may run meanwhile.`,
		Example: `  breakwater storms verify
  breakwater storms verify --json | jq .damages`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.reader()
			if err != nil {
				return err
			}
			bar := show.NewProgress(cmd.ErrOrStderr(), 0)
			v, err := r.Verify(cmd.Context(), bar.At)
			bar.Done()
			if err != nil {
				return exit{exitReport, err}
			}
			return f.verified(cmd, v)
		},
	}
}

func (f *stormsFlags) verified(cmd *cobra.Command, v archive.Verified) error {
	if f.json {
		texts := []string{}
		for _, err := range v.Damages {
			texts = append(texts, err.Error())
		}
		out := map[string]any{"segments": v.Segments, "copies": v.Copies, "bytes": v.Bytes, "damages": texts}
		if err := show.JSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%s in %s, %s on disk: %s\n", show.Number(v.Copies, "copy"), show.Number(v.Segments, "segment"), show.Bytes(v.Bytes), soundness(v))
		damages(cmd.ErrOrStderr(), v.Damages)
	}
	if len(v.Damages) > 0 {
		return exit{exitReport, nil}
	}
	return nil
}

func soundness(v archive.Verified) string {
	if len(v.Damages) == 0 {
		return "all sound"
	}
	return fmt.Sprintf("%d DAMAGED records; restore the files that are named below from a backup, if there is one", len(v.Damages))
}
