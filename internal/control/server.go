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

	"breakwater/internal/store"
	"breakwater/internal/store/remote"
	"breakwater/internal/storm"
)

// Server answers on the socket.
type Server struct {
	Store  store.Store
	Expire func(context.Context) error // erases what is to be erased; nil: cannot
	Reload func() error                // reads the rule files again
	Log    *slog.Logger
}

// Serve answers on ln until ctx ends.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { h.Close() })
	defer stop()
	if err := h.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve control socket: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /incidents", s.incidents)
	mux.HandleFunc("POST /expire", s.expire)
	mux.HandleFunc("POST /rules/reload", s.reload)
	mux.Handle("/store/", remote.Handler(s.Store))
	return mux
}

// reload answers when the new rules are in force, or says why they are not.
func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	if err := s.Reload(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
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
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
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
