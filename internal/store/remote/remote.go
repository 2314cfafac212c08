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

	"breakwater/internal/notes"
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

// answer is a line of an answer: a tally or note in the form that all stores keep, empty for one never
// seen; or the end.
type answer struct {
	Tally []byte `json:"tally,omitempty"`
	End   bool   `json:"end,omitempty"`
	Err   string `json:"err,omitempty"` // with End
}

// Handler answers for a store under /store/.
func Handler(s store.Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /store/lookup", func(w http.ResponseWriter, r *http.Request) { look(w, r, s.Lookup) })
	mux.HandleFunc("POST /store/noted", func(w http.ResponseWriter, r *http.Request) { look(w, r, s.Noted) })
	mux.HandleFunc("GET /store/tallies", func(w http.ResponseWriter, r *http.Request) { tallies(w, r, s) })
	return mux
}

// stored is a tally or a note.
type stored interface{ AppendBinary([]byte) ([]byte, error) }

// look answers a question for some keys.
func look[T stored](w http.ResponseWriter, r *http.Request, in func(context.Context, time.Time, []storm.Key) ([]T, error)) {
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
	found, err := in(r.Context(), q.At, keys)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	send(w, func(yield func(T, error) bool) {
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

// send writes tallies or notes, a line each, and a last line that says that these were all.
func send[T stored](w http.ResponseWriter, all iter.Seq2[T, error]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	last := answer{End: true}
	for t, err := range all {
		var b []byte
		if err == nil && seen(t) {
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

// seen reports whether there is anything to be told of a key.
func seen(of stored) bool {
	switch of := of.(type) {
	case storm.Tally:
		return of.Seen > 0
	case notes.Note:
		return of.Seen > 0
	}
	return false
}

// Store is the daemon's store, seen from another process. It is a store.Store.
type Store struct{ socket *socket.Client }

// Open returns the store of the daemon at a socket. It connects at the first call.
func Open(path string) *Store { return &Store{socket.NewClient(path)} }

// Lookup is store.Store's.
func (s *Store) Lookup(ctx context.Context, at time.Time, keys []storm.Key) ([]storm.Tally, error) {
	return lookup[storm.Tally](ctx, s, "lookup", at, keys)
}

// Noted is store.Store's.
func (s *Store) Noted(ctx context.Context, at time.Time, keys []storm.Key) ([]notes.Note, error) {
	return lookup[notes.Note](ctx, s, "noted", at, keys)
}

// readable is a tally or a note to be read.
type readable[T any] interface {
	*T
	UnmarshalBinary([]byte) error
}

func lookup[T any, P readable[T]](ctx context.Context, s *Store, what string, at time.Time, keys []storm.Key) ([]T, error) {
	found := make([]T, 0, len(keys))
	for begin := 0; begin < len(keys); begin += maxKeys {
		q := question{At: at}
		for _, k := range keys[begin:min(len(keys), begin+maxKeys)] {
			q.Keys = append(q.Keys, key{k.Owner[:], k.Kind, k.Hash[:]})
		}
		body, err := json.Marshal(q)
		if err != nil {
			return nil, err
		}
		for t, err := range ask[T, P](ctx, s, http.MethodPost, what, bytes.NewReader(body)) {
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

// Note is store.Store's. It always fails.
func (s *Store) Note(context.Context, time.Time, []notes.Entry) ([]notes.Note, error) {
	return nil, ErrReadOnly
}

// Tallies is store.Store's.
func (s *Store) Tallies(ctx context.Context, since time.Time) iter.Seq2[storm.Tally, error] {
	return ask[storm.Tally](ctx, s, http.MethodGet, "tallies?since="+url.QueryEscape(since.Format(time.RFC3339Nano)), nil)
}

// Close is store.Store's.
func (s *Store) Close() error {
	s.socket.Close()
	return nil
}

func ask[T any, P readable[T]](ctx context.Context, s *Store, method, what string, body io.Reader) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := s.socket.Do(ctx, method, "/store/"+what, body, func(r io.Reader) error {
			return read(r, func(b []byte) error {
				var t T
				if len(b) > 0 {
					if err := P(&t).UnmarshalBinary(b); err != nil {
						return err
					}
				}
				if !yield(t, nil) {
					return errStop
				}
				return nil
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			var none T
			yield(none, err)
		}
	}
}

var errStop = errors.New("stop")

// read calls each with what is in every line of an answer.
func read(r io.Reader, each func([]byte) error) error {
	for dec := json.NewDecoder(r); ; {
		var a answer
		if err := dec.Decode(&a); err != nil {
			return fmt.Errorf("the answer was cut off: %w", err)
		}
		switch {
		case a.Err != "":
			return errors.New(a.Err)
		case a.End:
			return nil
		}
		if err := each(a.Tally); err != nil {
			return err
		}
	}
}
