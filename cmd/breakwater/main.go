// Breakwater keeps mail floods out of mailboxes without losing a message.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"breakwater/internal/config"
	"breakwater/internal/host"
)

// Exit statuses besides 0.
const (
	exitReport = 1 // there is something to report
	exitUsage  = 2 // a wrong command line, configuration or rule file
)

// exit is an error that comes with an exit status of its own.
type exit struct {
	status int
	err    error // nil: all has been said
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

func main() { os.Exit(run()) }

// run is the whole program; it returns the exit status.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	err := rootCommand().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	status := exitUsage // what cobra finds wrong is usage
	var e exit
	if errors.As(err, &e) {
		status = e.status
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "breakwater:", text)
	}
	return status
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "breakwater",
		Short: "Keep mail floods out of mailboxes without losing a message",
		Long: `Breakwater recognises delivery reports, automatic replies and the copies of a mail
storm, and takes the flood off the delivery path before it reaches a mailbox.

Results go to standard output, everything else to standard error. The exit status is 0
when all is well, 1 when there is something to report, and 2 when the command line, the
configuration or a rule file is wrong.`,
		Example: `  breakwater demo                      see it work, no mail server needed
  breakwater setup postfix             show what Postfix needs
  breakwater milter                    run the daemon
  breakwater storms                    what is going on
  breakwater sweep                     what of it is in mailboxes already`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			host.AddPhrases(config.Default().Rules, cmd.ErrOrStderr())
		},
	}
	root.AddCommand(milterCommand(), stormsCommand(), incidentCommand(), releaseCommand(), classifyCommand(), rulesCommand(), configCommand(), replayCommand(), demoCommand(), setupCommand(), sweepCommand(), undoCommand(), keysCommand(), versionCommand())
	return root
}
