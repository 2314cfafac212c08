package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"breakwater/internal/incident"
	"breakwater/internal/socket"
)

// Client asks the daemon at a socket.
type Client struct{ socket *socket.Client }

// NewClient returns a client of the socket at path. It connects at the first call.
func NewClient(path string) *Client { return &Client{socket.NewClient(path)} }

// Incidents returns the incidents last touched since a time, most copies first.
func (c *Client) Incidents(ctx context.Context, since time.Time) ([]Incident, error) {
	var is []Incident
	return is, c.get(ctx, "/incidents?since="+url.QueryEscape(since.Format(time.RFC3339)), &is)
}

// Reload has the daemon read its rule files again. The error says why the old ones stay in
// force.
func (c *Client) Reload(ctx context.Context) error {
	return c.post(ctx, "/rules/reload")
}

// NeedsRestart returns the settings that have changed in the daemon's configuration since it started. The
// error may be what is wrong in it.
func (c *Client) NeedsRestart(ctx context.Context) ([]string, error) {
	var keys []string
	return keys, c.get(ctx, "/config/changed", &keys)
}

// ReloadKeys has the daemon read its keys again.
func (c *Client) ReloadKeys(ctx context.Context) error {
	return c.post(ctx, "/keys/reload")
}

// Learning returns the domains that have all their mail leave here, by name.
func (c *Client) Learning(ctx context.Context) ([]Learner, error) {
	var all []Learner
	return all, c.get(ctx, "/learning", &all)
}

// Recorded returns what is recorded of incidents under way, and of those that can begin again, the newest first.
func (c *Client) Recorded(ctx context.Context) ([]incident.Incident, error) {
	var all []incident.Incident
	return all, c.get(ctx, "/recorded", &all)
}

// Order has the daemon do what an operator orders.
func (c *Client) Order(ctx context.Context, o incident.Order) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return c.socket.Do(ctx, http.MethodPost, "/order", bytes.NewReader(b), nil)
}

// Expire makes the daemon erase what has expired or was forgotten.
func (c *Client) Expire(ctx context.Context) error { return c.post(ctx, "/expire") }

func (c *Client) get(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return c.socket.Do(ctx, http.MethodGet, path, nil, func(r io.Reader) error { return json.NewDecoder(r).Decode(v) })
}

// post has the daemon do something.
func (c *Client) post(ctx context.Context, path string) error {
	return c.socket.Do(ctx, http.MethodPost, path, nil, nil)
}
