package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"breakwater/internal/incident"
)

// Client asks the daemon at a socket.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the socket at path. It connects at the first call.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path, http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Incidents returns the incidents last touched since a time, most copies first.
func (c *Client) Incidents(ctx context.Context, since time.Time) ([]Incident, error) {
	var is []Incident
	return is, c.get(ctx, "/incidents?since="+url.QueryEscape(since.Format(time.RFC3339)), &is)
}

// Reload has the daemon read its rule files again. The error says why the old ones stay in
// force.
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/rules/reload", nil)
}

// NeedsRestart returns the settings that have changed in the daemon's configuration since it started. The
// error may be what is wrong in it.
func (c *Client) NeedsRestart(ctx context.Context) ([]string, error) {
	var keys []string
	return keys, c.get(ctx, "/config/changed", &keys)
}

// ReloadKeys has the daemon read its keys again.
func (c *Client) ReloadKeys(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/keys/reload", nil)
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
	return c.send(ctx, http.MethodPost, "/order", bytes.NewReader(b), nil)
}

// Expire makes the daemon erase what has expired or was forgotten.
func (c *Client) Expire(ctx context.Context) error { return c.do(ctx, http.MethodPost, "/expire", nil) }

func (c *Client) get(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return c.do(ctx, http.MethodGet, path, v)
}

// maxError bounds what is read of an answer that says what is wrong, in bytes: all that is
// wrong in a folder of rules may be long.
const maxError = 1 << 20

// hint is what to do when the daemon cannot be asked.
func hint(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "only root and the daemon's user may ask"
	}
	return "is `breakwater milter` running, with this --control?"
}

// do asks, and reads the answer into v if that is not nil.
func (c *Client) do(ctx context.Context, method, path string, v any) error {
	return c.send(ctx, method, path, nil, v)
}

// send is do with something to be read.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://breakwater"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without an address that is of no use
		}
		return fmt.Errorf("ask the daemon at %s: %w; %s", c.path, err, hint(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
		return fmt.Errorf("ask the daemon at %s: %s", c.path, strings.TrimSpace(string(b)))
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}
