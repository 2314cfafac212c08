package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
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

// Do asks, and has read take the body of the answer; nil: it is of no use. The error names the socket.
func (c *Client) Do(ctx context.Context, method, path string, body io.Reader, read func(io.Reader) error) error {
	if err := c.do(ctx, method, path, body, read); err != nil {
		return fmt.Errorf("ask the daemon at %s: %w", c.path, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body io.Reader, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://breakwater"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without an address that is of no use
		}
		return fmt.Errorf("%w; %s", err, hint(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxError))
		return errors.New(strings.TrimSpace(string(b)))
	}
	if read == nil {
		return nil
	}
	return read(resp.Body)
}

// Close closes connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
