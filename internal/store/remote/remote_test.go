package remote

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"breakwater/internal/store"
	"breakwater/internal/store/badgerdb"
	"breakwater/internal/store/storetest"
	"breakwater/internal/storm"
)

// serve answers for a store on a socket, and returns its other end.
func serve(t *testing.T, s store.Store) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(Handler(s))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)
	return Open(path)
}

// both is a store that is written on one end of the socket and read on the other.
type both struct {
	store.Store
	remote *Store
}

func (b *both) Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error) {
	return b.remote.Lookup(ctx, at, keys)
}

func (b *both) Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error] {
	return b.remote.Tallies(ctx, since)
}

func (b *both) Close() error { return errors.Join(b.remote.Close(), b.Store.Close()) }

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Driver{Open: func(t *testing.T) store.Store {
		s, err := badgerdb.Open("", badgerdb.Options{InMemory: true})
		if err != nil {
			t.Fatal(err)
		}
		return &both{s, serve(t, s)}
	}})
}

func TestReadOnly(t *testing.T) {
	if _, err := Open("/nonexistent").Observe(context.Background(), storm.Sighting{}); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

// failing lists one tally and then fails.
type failing struct{ store.Store }

func (failing) Lookup(context.Context, time.Time, []storm.Key) ([]storm.Tally, error) {
	return nil, errors.New("disk on fire")
}

func (failing) Tallies(context.Context, time.Time) iter.Seq2[storm.Tally, error] {
	return func(yield func(storm.Tally, error) bool) {
		if yield(storm.Tally{Seen: 1}, nil) {
			yield(storm.Tally{}, errors.New("disk on fire"))
		}
	}
}

func TestErrors(t *testing.T) {
	s := serve(t, failing{})
	ctx := context.Background()
	if _, err := s.Lookup(ctx, time.Now(), []storm.Key{{}}); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Error(err)
	}
	var n int
	var last error
	for _, err := range s.Tallies(ctx, time.Now()) {
		n++
		last = err
	}
	if n != 2 || last == nil || !strings.Contains(last.Error(), "disk on fire") {
		t.Error(n, last)
	}
	if _, err := Open("/nonexistent/sock").Lookup(ctx, time.Now(), []storm.Key{{}}); err == nil || !strings.Contains(err.Error(), "/nonexistent/sock") {
		t.Error(err)
	}
	// An answer without its last line is no answer.
	cut := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}\n")) }))
	path := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	cut.Listener.Close()
	cut.Listener = ln
	cut.Start()
	defer cut.Close()
	if _, err := Open(path).Lookup(ctx, time.Now(), []storm.Key{{}}); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Error(err)
	}
}
