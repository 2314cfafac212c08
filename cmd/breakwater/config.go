package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/show"
)

func configCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the settings of this host",
		Long: `Config works with breakwater.toml. A daemon reads it when it starts; on a reload it says what
has changed and needs a restart.`,
		Example: `  breakwater config check && systemctl restart breakwater
  breakwater config show`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&file, "config", "", "configuration `file` (default "+config.DefaultFile+", if it is there)")
	check := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong in the configuration file",
		Long: `Check reads the configuration file as the daemon does when it starts. The exit status is 1 if
there is an error in it. Check warns where released mail or digests would go through filters or
be signed, and where nobody takes them.`,
		Example: "  breakwater config check && systemctl restart breakwater",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return exit{exitReport, err}
			}
			warn(cmd.ErrOrStderr(), ways(c)...)
			warnAway(cmd.Context(), cmd.ErrOrStderr(), ways(c)...)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "no errors")
			return err
		},
	}
	show := &cobra.Command{
		Use:   "show",
		Short: "Show all settings, and which line says so",
		Example: `  breakwater config show
  breakwater config show --json | jq -r '.[] | select(.key == "archive").value'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := config.Show(file)
			if err != nil {
				return exit{exitUsage, err}
			}
			if asJSON {
				return show.JSON(cmd.OutOrStdout(), all)
			}
			t := show.NewTable(cmd.OutOrStdout())
			for _, s := range all {
				fmt.Fprintf(t, "%s = %s\t# %s\n", s.Key, s.Value, s.From)
			}
			return t.Flush()
		},
	}
	show.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	cmd.AddCommand(check, show)
	return cmd
}
