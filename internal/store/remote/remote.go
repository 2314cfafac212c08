// Package remote is a store behind the daemon's unix socket, both ends. A Badger store belongs
// to one process; others look into it this way. They can only look.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"breakwater/internal/socket"
	"breakwater/internal/store"
	"breakwater/internal/storm"
)

// ErrReadOnly is what Observe says.
var ErrReadOnly = errors.New("the daemon's store can only be looked at")

// maxKeys is how many keys may be asked for at once.
const maxKeys = 10_000

// question asks for tallies.
type question struct {
	At   time.Time `json:"at"`
	Keys []key     `json:"keys"`
}

// key is a storm.Key in JSON.
type key struct {
	Owner []byte     `json:"owner"`
	Kind  storm.Kind `json:"kind"`
	Hash  []byte     `json:"hash"`
}

// answer is a line of an answer: a tally in the form that all stores keep, empty for one never
// seen; or the end.
type answer struct {
	Tally []byte `json:"tally,omitempty"`
	End   bool   `json:"end,omitempty"`
	Err   string `json:"err,omitempty"` // with End
}

// Handler answers for a store under /store/.
func Handler(s store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /store/lookup", func(w http.ResponseWriter, r *http.Request) { lookup(w, r, s) })
	mux.HandleFunc("GET /store/tallies", func(w http.ResponseWriter, r *http.Request) { tallies(w, r, s) })
	return mux
}

func lookup(w http.ResponseWriter, r *http.Request, s store.Store) {
	var q question
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20)).Decode(&q); err != nil || len(q.Keys) > maxKeys {
		http.Error(w, "not a question for tallies", http.StatusBadRequest)
		return
	}
	keys := make([]storm.Key, len(q.Keys))
	for i, k := range q.Keys {
		keys[i].Kind = k.Kind
		copy(keys[i].Owner[:], k.Owner)
		copy(keys[i].Hash[:], k.Hash)
	}
	found, err := s.Lookup(r.Context(), q.At, keys)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, func(yield func(storm.Tally, error) bool) {
		for _, t := range found {
			if !yield(t, nil) {
				return
			}
		}
	})
}

func tallies(w http.ResponseWriter, r *http.Request, s store.Store) {
	since, err := time.Parse(time.RFC3339Nano, r.FormValue("since"))
	if err != nil {
		http.Error(w, "since: not a time of RFC 3339", http.StatusBadRequest)
		return
	}
	send(w, s.Tallies(r.Context(), since))
}

// send writes tallies, a line each, and a last line that says that these were all.
func send(w http.ResponseWriter, all iter.Seq2[storm.Tally, error]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	last := answer{End: true}
	for t, err := range all {
		var b []byte
		if err == nil && t.Seen > 0 {
			b, err = t.AppendBinary(nil)
		}
		if err != nil {
			last.Err = err.Error()
			break
		}
		if enc.Encode(answer{Tally: b}) != nil {
			return // nobody listens any more
		}
	}
	_ = enc.Encode(last) // the reader misses it
}

// Store is the daemon's store, seen from another process. It is a store.Store.
type Store struct{ socket *socket.Client }

// Open returns the store of the daemon at a socket. It connects at the first call.
func Open(path string) *Store { return &Store{socket.NewClient(path)} }

// Lookup is store.Store's.
func (s *Store) Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error) {
	found := make([]storm.Tally, 0, len(keys))
	for begin := 0; begin < len(keys); begin += maxKeys {
		q := question{At: at}
		for _, k := range keys[begin:min(len(keys), begin+maxKeys)] {
			q.Keys = append(q.Keys, key{k.Owner[:], k.Kind, k.Hash[:]})
		}
		body, err := json.Marshal(q)
		if err != nil {
			return nil, err
		}
		for t, err := range s.ask(ctx, http.MethodPost, "lookup", bytes.NewReader(body)) {
			if err != nil {
				return nil, err
			}
			found = append(found, t)
		}
	}
	if len(found) != len(keys) {
		return nil, fmt.Errorf("the daemon has %d tallies for %d keys", len(found), len(keys))
	}
	return found, ctx.Err()
}

// Observe is store.Store's. It always fails.
func (s *Store) Observe(context.Context, storm.Sighting) ([]storm.Tally, error) {
	return nil, ErrReadOnly
}

// Tallies is store.Store's.
func (s *Store) Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error] {
	return s.ask(ctx, http.MethodGet, "tallies?since="+url.QueryEscape(since.Format(time.RFC3339Nano)), nil)
}

// Close is store.Store's.
func (s *Store) Close() error {
	s.socket.Close()
	return nil
}

func (s *Store) ask(ctx context.Context, method, what string, body io.Reader) iter.Seq2[storm.Tally, error] {
	return func(yield func(storm.Tally, error) bool) {
		err := s.socket.Do(ctx, method, "/store/"+what, body, func(r io.Reader) error {
			return read(r, func(t storm.Tally) bool { return yield(t, nil) })
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(storm.Tally{}, err)
		}
	}
}

var errStop = errors.New("stop")

// read reads an answer.
func read(r io.Reader, each func(storm.Tally) bool) error {
	for dec := json.NewDecoder(r); ; {
		var a answer
		if err := dec.Decode(&a); err != nil {
			return fmt.Errorf("the answer was cut off: %w", err)
		}
		var t storm.Tally
		switch {
		case a.Err != "":
			return errors.New(a.Err)
		case a.End:
			return nil
		case len(a.Tally) > 0:
			if err := t.UnmarshalBinary(a.Tally); err != nil {
				return err
			}
		}
		if !each(t) {
			return errStop
		}
	}
}
