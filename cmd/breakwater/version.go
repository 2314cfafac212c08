package main

import (
	"encoding/json"
	"fmt"
	"io"

	"breakwater/internal/daemon"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say which breakwater this is",
		Example: "  breakwater version\n  breakwater version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printVersion(cmd.OutOrStdout(), daemon.ReadVersion(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func printVersion(w io.Writer, v daemon.Version, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	_, err := fmt.Fprintf(w, "breakwater %s %s (%s)\n", v.Version, v.Revision, v.Go)
	return err
}
