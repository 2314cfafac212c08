// Bench measures breakwater against a milter that does nothing, on the same library with the
// same options, in rounds that take turns on the same machine.
//
//	go run ./internal/tools/bench [-rounds 5] [-n 6000] [-keys 1000000]
//
// What counts are the ratios within a round: the rates themselves are those of the machine
// and of what else it does.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"breakwater/internal/message"
	"breakwater/internal/milterd"
	"breakwater/internal/milterd/client"
	"breakwater/internal/rules"
	"breakwater/internal/stormgen"
)

var (
	rounds      = flag.Int("rounds", 5, "rounds; medians are told")
	number      = flag.Int("n", 6000, "messages a round")
	connections = flag.Int("c", 20, "connections at once")
	keys        = flag.Int("keys", 1_000_000, "distinct keys to fill the store with; 0 for none")
	null        = flag.Bool("null", false, "be the milter that does nothing; the arguments are its sockets")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := bench
	if *null {
		run = serveNull
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serveNull delivers everything at once.
func serveNull(ctx context.Context) error {
	s := &milterd.Server{Log: slog.New(slog.DiscardHandler), Judge: func(_ context.Context, m *message.Message) (rules.Judgement, error) {
		ds := make([]rules.Decision, len(m.Recipients))
		for i, r := range m.Recipients {
			ds[i] = rules.Decision{Recipient: r, Action: rules.Deliver}
		}
		return rules.Judgement{Message: m, Decisions: ds}, nil
	}}
	for _, spec := range flag.Args() {
		ln, err := milterd.Listen(spec, milterd.ListenOptions{})
		if err != nil {
			return err
		}
		go s.Serve(ln)
	}
	<-ctx.Done()
	return s.Shutdown(context.Background())
}

// figures is what one round with one target measured.
type figures struct {
	rate     float64       // messages a second
	cpu      time.Duration // of the target, a message
	p50, p99 time.Duration // from the first packet of a message to its answer
}

// bench compares the two in all profiles over both kinds of socket.
func bench(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "breakwater-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "breakwater")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "breakwater/cmd/breakwater").CombinedOutput(); err != nil {
		return fmt.Errorf("build breakwater: %w\n%s", err, out)
	}
	nothing, err := startNull(ctx, filepath.Join(dir, "null"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nothing.stop()) }()
	ours, err := startBreakwater(ctx, binary, filepath.Join(dir, "breakwater-state"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ours.stop()) }()
	round := 0
	for _, p := range profiles {
		for _, network := range []string{"unix", "tcp"} {
			if err := compare(ctx, p, network, nothing, ours, &round); err != nil {
				return err
			}
		}
	}
	if err := tellNear(ctx, ours, &round); err != nil {
		return err
	}
	if err := tellMemory("after these rounds", ours); err != nil {
		return err
	}
	if *keys == 0 {
		return nil
	}
	items := strangers(*keys)
	if _, err := play(ctx, ours, "unix", items); err != nil {
		return err
	}
	return tellMemory(fmt.Sprintf("after %d distinct keys more (aim: RssAnon under 150 MB)", *keys), ours)
}

// compare plays rounds of one profile to both and tells the medians. round numbers all
// rounds, so that no message comes twice.
func compare(ctx context.Context, p profile, network string, nothing, ours *target, round *int) error {
	var a, b []figures
	for range *rounds {
		*round++
		items := p.mix(*round, *number)
		for i, t := range []*target{nothing, ours} {
			f, err := play(ctx, t, network, items)
			if err != nil {
				return fmt.Errorf("play to %s: %w", t.name, err)
			}
			if i == 0 {
				a = append(a, f)
			} else {
				b = append(b, f)
			}
		}
	}
	fmt.Printf("%s mail over %s, %d connections, %d rounds of %d messages, medians\n", p.name, network, *connections, *rounds, *number)
	tell := func(name string, fs []figures) {
		fmt.Printf("  %-12s %7.0f messages/s  %4.0f µs CPU a message  p50 %6.2f ms  p99 %6.2f ms\n", name,
			median(fs, func(f figures) float64 { return f.rate }), median(fs, func(f figures) float64 { return us(f.cpu) }),
			median(fs, func(f figures) float64 { return us(f.p50) / 1000 }), median(fs, func(f figures) float64 { return us(f.p99) / 1000 }))
	}
	tell(nothing.name, a)
	tell(ours.name, b)
	var ratio, more []float64
	for i := range a {
		ratio = append(ratio, b[i].rate/a[i].rate)
		more = append(more, us(b[i].cpu-a[i].cpu))
	}
	same := func(f float64) float64 { return f }
	fmt.Printf("  messages/s: %.2f of the null milter's, %.2f to %.2f by round (aim: at least 0.7)\n", median(ratio, same), slices.Min(ratio), slices.Max(ratio))
	fmt.Printf("  CPU: %.0f µs a message more (aim: at most 250)\n", median(more, same))
	fmt.Printf("  p99: %.2f ms (aim: under 20)\n\n", median(b, func(f figures) float64 { return us(f.p99) / 1000 }))
	return nil
}

// tellNear tells what near-duplicates cost in the whole: it plays letters, and in turn letters
// that differ in nothing but that a machine answers with them, which are not compared.
func tellNear(ctx context.Context, ours *target, round *int) error {
	var with, without, more []float64
	for range *rounds {
		var cpu [2]float64
		for i := range cpu {
			*round++
			items := letters(*round, *number)
			for j := range items {
				if i == 1 {
					items[j].Raw = append([]byte("Auto-Submitted: auto-replied\r\n"), items[j].Raw...)
				}
			}
			f, err := play(ctx, ours, "unix", items)
			if err != nil {
				return fmt.Errorf("play letters: %w", err)
			}
			cpu[i] = us(f.cpu)
		}
		with, without, more = append(with, cpu[0]), append(without, cpu[1]), append(more, 100*(cpu[0]-cpu[1])/cpu[1])
	}
	same := func(f float64) float64 { return f }
	fmt.Printf("near-duplicates: %.0f µs CPU a letter, %.0f for one that is not compared; %.0f%% more, %.0f to %.0f by round\n\n",
		median(with, same), median(without, same), median(more, same), slices.Min(more), slices.Max(more))
	return nil
}

// play sends items over several connections.
func play(ctx context.Context, t *target, network string, items []stormgen.Item) (figures, error) {
	before, err := t.cpu()
	if err != nil {
		return figures{}, err
	}
	mails := make([]client.Mail, len(items))
	for i, it := range items {
		mails[i] = client.MailOf(it.Envelope, it.Raw)
	}
	var (
		mu    sync.Mutex
		next  int
		took  []time.Duration
		wrong error
		wg    sync.WaitGroup
	)
	take := func(d time.Duration, err error) (m *client.Mail) {
		mu.Lock()
		defer mu.Unlock()
		if d > 0 {
			took = append(took, d)
		}
		wrong = cmp.Or(wrong, err)
		if wrong != nil || next == len(mails) || ctx.Err() != nil {
			return nil
		}
		next++
		return &mails[next-1]
	}
	begun := time.Now()
	for range *connections {
		wg.Go(func() {
			c, err := client.Dial(ctx, network, t.addr[network], client.Options{Abort: true})
			if err != nil {
				take(0, err)
				return
			}
			defer c.Close()
			for m := take(0, nil); m != nil; {
				start := time.Now()
				_, err := c.Send(*m)
				m = take(time.Since(start), err)
			}
		})
	}
	wg.Wait()
	wall := time.Since(begun)
	after, err := t.cpu()
	if err = errors.Join(err, wrong, ctx.Err()); err != nil || len(took) == 0 {
		return figures{}, err
	}
	slices.Sort(took)
	n := len(took)
	return figures{rate: float64(n) / wall.Seconds(), cpu: (after - before) / time.Duration(n), p50: took[n/2], p99: took[n*99/100]}, nil
}

func tellMemory(when string, t *target) error {
	fmt.Printf("memory of %s %s:", t.name, when)
	for _, name := range []string{"RssAnon", "RssFile", "VmRSS", "VmHWM"} {
		n, err := t.memory(name)
		if err != nil {
			return err
		}
		fmt.Printf("  %s %d MB", name, n>>20)
	}
	fmt.Println()
	return nil
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func median[T any](of []T, value func(T) float64) float64 {
	var vs []float64
	for _, v := range of {
		vs = append(vs, value(v))
	}
	slices.Sort(vs)
	if len(vs) == 0 {
		return 0
	}
	return vs[len(vs)/2]
}
