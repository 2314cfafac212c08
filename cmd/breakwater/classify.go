package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"breakwater/internal/classify"
	"breakwater/internal/engine"
	"breakwater/internal/host"
	"breakwater/internal/mailfile"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/show"
)

// classified is what `breakwater classify --json` prints of a message.
type classified struct {
	Path   string        `json:"path"`
	Origin origin.Origin `json:"origin,omitempty"` // of a report, where the daemon can be asked
	classify.Account
}

func classifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "classify PATH...",
		Short: "Say what messages are, and why",
		Long: `Classify says of each message whether it is a delivery report, a receipt, a complaint, an
automatic reply, bulk mail or personal, and by what it knows: fields, parts, and words, with
the file and the line in which these are among its phrases (en.toml:12). It reads .eml files, mbox
files, Maildirs and folders of them; - is standard input. A message in an mbox has #N
behind the name of the file. Where the daemon runs, and its socket and keys may be read, it
says of reports, too, whether their original was sent by this host: genuine, unknown, forged.

The exit status is 1 if a file could not be read.`,
		Example: `  breakwater classify message.eml
  breakwater classify ~/Maildir
  breakwater classify --json /var/mail/* | jq -r 'select(.class == "dsn") | .recipients[].final'
  breakwater classify - <message.eml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			c := classifier{out: bufio.NewWriter(cmd.OutOrStdout()), errs: cmd.ErrOrStderr(), asJSON: asJSON, teller: host.Origins(), counts: map[classify.Class]int{}}
			begun := time.Now()
			if err := c.run(cmd.Context(), paths, cmd.InOrStdin()); err != nil {
				return exit{exitReport, err}
			}
			if !asJSON {
				c.summary(time.Since(begun))
			}
			if c.failed > 0 {
				return exit{exitReport, fmt.Errorf("%s could not be read", show.Number(c.failed, "file"))}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// classifier prints messages in the order in which they were read.
type classifier struct {
	out    *bufio.Writer
	errs   io.Writer
	asJSON bool
	teller *engine.Engine // nil: there is none
	counts map[classify.Class]int
	failed int
}

// job is one message on its way through the workers.
type job struct {
	file mailfile.File
	err  error
	done chan classified
}

// run classifies in parallel. As many messages are in memory as there are workers, and as
// many again.
func (c *classifier) run(ctx context.Context, paths []string, stdin io.Reader) error {
	workers := runtime.GOMAXPROCS(0)
	work, order := make(chan *job), make(chan *job, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for j := range work {
				j.done <- c.look(ctx, j.file)
				j.file.Raw = nil
			}
		})
	}
	go func() {
		defer close(order)
		defer close(work)
		for f, err := range mailfile.Walk(paths, stdin) {
			if ctx.Err() != nil {
				return
			}
			j := &job{file: f, err: err, done: make(chan classified, 1)}
			order <- j
			if err == nil {
				work <- j
			}
		}
	}()
	var failed error
	for j := range order {
		if j.err != nil {
			c.failed++
			fmt.Fprintln(c.errs, "breakwater:", j.err)
			continue
		}
		if r := <-j.done; failed == nil {
			c.counts[r.Class]++
			failed = c.print(r)
		}
	}
	wg.Wait()
	if failed == nil {
		failed = c.out.Flush()
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

func (c *classifier) look(ctx context.Context, f mailfile.File) classified {
	m := message.Parse(f.Envelope(), time.Time{}, f.Raw)
	v := classify.Classify(m)
	r := classified{Path: f.Path, Account: v.Account()}
	if c.teller != nil {
		if m.At = m.Date; m.At.IsZero() {
			m.At = time.Now()
		}
		if proofs, err := c.teller.Origins(ctx, addressee(m), v); err == nil && len(proofs) > 0 {
			r.Origin = proofs[0].Origin
			r.Reasons = append(slices.Clip(r.Reasons), proofs[0].Why())
		}
	}
	return r
}

// addressee is m with the first address of To as its recipient, where it does not say whom it came
// to.
func addressee(m *message.Message) *message.Message {
	to := message.Addresses(m.Header.Get("To"))
	if len(m.Recipients) > 0 || len(to) == 0 {
		return m
	}
	m.Recipients = []message.Recipient{{Addr: to[0]}}
	return m
}

func (c *classifier) print(r classified) error {
	if c.asJSON {
		enc := json.NewEncoder(c.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	what := string(r.Class)
	if r.Action != "" {
		what += " " + string(r.Action)
	}
	if r.Origin != "" {
		what += ", " + string(r.Origin)
	}
	why := show.Clip(strings.Join(r.Reasons, "; "), 200)
	if len(r.Words) > 0 {
		why += "; " + strings.Join(r.Words, " ")
	}
	_, err := fmt.Fprintf(c.out, "%s: %s (%s)\n", r.Path, what, why)
	return err
}

func (c *classifier) summary(took time.Duration) {
	t := show.NewNumbers(c.errs)
	total := 0
	for _, class := range classify.Classes {
		if n := c.counts[class]; n > 0 {
			fmt.Fprintf(t, "%d\t %s\n", n, class)
			total += n
		}
	}
	fmt.Fprintf(t, "%d\t messages in %v\n", total, took.Round(time.Millisecond))
	t.Flush()
}
