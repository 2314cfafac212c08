package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"breakwater/internal/incident"
	"breakwater/internal/socket"
	"breakwater/internal/store"
	"breakwater/internal/store/remote"
	"breakwater/internal/storm"
)

// Server answers on the socket.
type Server struct {
	Store  store.Store
	Expire func(context.Context) error // erases what is to be erased; nil: cannot
	Reload func() error                // reads the rule files again
	Keys   func() error                // reads the keys again; nil: there are none
	Learn  func(context.Context) ([]Learner, error)
	Log    *slog.Logger

	Changed func() ([]string, error) // settings that need a restart; nil: none

	Recorded func() []incident.Incident // what is recorded of incidents; nil: nothing
	Order    func(incident.Order) error // nil: nothing is recorded
}

// Serve answers on ln until ctx ends.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if err := socket.Serve(ctx, ln, s.handler(), 0); err != nil {
		return fmt.Errorf("serve control socket: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /incidents", s.incidents)
	mux.HandleFunc("POST /expire", s.expire)
	mux.HandleFunc("POST /rules/reload", again(s.Reload))
	mux.HandleFunc("POST /keys/reload", again(s.Keys))
	mux.HandleFunc("GET /config/changed", s.changed)
	mux.HandleFunc("GET /learning", s.learning)
	mux.HandleFunc("GET /recorded", s.recorded)
	mux.HandleFunc("POST /order", s.order)
	mux.Handle("/store/", remote.Handler(s.Store))
	return mux
}

// again answers when what was read is in force, or says why it is not.
func again(read func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		err := errors.New("the daemon does not read this")
		if read != nil {
			err = read()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	}
}

// changed answers with the settings that have changed since the start.
func (s *Server) changed(w http.ResponseWriter, _ *http.Request) {
	keys := []string{}
	if s.Changed != nil {
		changed, err := s.Changed()
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		keys = append(keys, changed...)
	}
	s.answer(w, keys)
}

// learning answers with what domains have learned.
func (s *Server) learning(w http.ResponseWriter, r *http.Request) {
	all := []Learner{}
	if s.Learn != nil {
		var err error
		if all, err = s.Learn(r.Context()); err != nil {
			s.Log.Error("list what domains have learned", "err", err)
			http.Error(w, fmt.Sprintf("list what domains have learned: %v", err), http.StatusInternalServerError)
			return
		}
	}
	s.answer(w, all)
}

// incidents answers with those that were last touched since the time in the query.
func (s *Server) incidents(w http.ResponseWriter, r *http.Request) {
	since, err := time.Parse(time.RFC3339, r.FormValue("since"))
	if err != nil {
		http.Error(w, "since: not a time of RFC 3339", http.StatusBadRequest)
		return
	}
	answer, err := Incidents(r.Context(), s.Store, since, time.Now())
	if err != nil {
		s.Log.Error("list storms", "err", err)
		http.Error(w, fmt.Sprintf("list storms: %v", err), http.StatusInternalServerError)
		return
	}
	if s.Recorded != nil {
		answer = WithRecords(answer, s.Recorded())
	}
	s.answer(w, answer)
}

// recorded answers with what is recorded of incidents.
func (s *Server) recorded(w http.ResponseWriter, _ *http.Request) {
	all := []incident.Incident{}
	if s.Recorded != nil {
		all = append(all, s.Recorded()...)
	}
	s.answer(w, all)
}

// maxOrder bounds an order, in bytes.
const maxOrder = 64 << 10

// order does what an operator orders, and answers when it is done.
func (s *Server) order(w http.ResponseWriter, r *http.Request) {
	var o incident.Order
	err := errors.New("nothing is recorded")
	if s.Order != nil {
		if err = json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o); err == nil {
			err = s.Order(o)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
}

func (s *Server) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Log.Debug("answer on control socket", "err", err)
	}
}

// expire erases what has expired or was forgotten, and answers when it is done.
func (s *Server) expire(w http.ResponseWriter, r *http.Request) {
	err := errors.New("there is no archive")
	if s.Expire != nil {
		err = s.Expire(r.Context())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// Incidents lists the incidents of a store that were last touched since a time, as they
// stand now, most copies first.
func Incidents(ctx context.Context, from store.Store, since, now time.Time) ([]Incident, error) {
	var storms []storm.Tally
	for t, err := range from.Tallies(ctx, since) {
		if err != nil {
			return nil, err
		}
		if t.Storm != nil {
			storms = append(storms, t)
		}
	}
	list := []Incident{}
	for _, i := range storm.Incidents(storms, now) {
		list = append(list, show(i, now))
	}
	return list, nil
}
