// Package accounts makes sweeps of the accounts that the configuration names.
package accounts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"breakwater/internal/address"
	"breakwater/internal/config"
	"breakwater/internal/engine"
	"breakwater/internal/fingerprint"
	"breakwater/internal/host"
	"breakwater/internal/rules"
	"breakwater/internal/store"
	"breakwater/internal/store/remote"
	"breakwater/internal/sweep"
	"breakwater/internal/sweep/session"
)

// Account is one mailbox, and how to log in to it.
type Account struct {
	Name    string // the user's
	Mailbox string // its address
	Options session.Options
}

// All returns the accounts of the configuration, with one account for each user of a master login.
func All(ctx context.Context, s config.Sweep) ([]Account, error) {
	var all []Account
	for i := range s.Accounts {
		c := &s.Accounts[i]
		if _, err := session.ParseServer(c.Server); err != nil {
			return nil, err
		}
		password, err := password(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("password for %s: %w", c.Server, err)
		}
		users := []string{c.User}
		if c.User == "" {
			if users, err = usersOf(ctx, c); err != nil {
				return nil, fmt.Errorf("users at %s: %w", c.Server, err)
			}
		}
		for _, user := range users {
			a := Account{Name: user, Mailbox: c.Mailbox, Options: session.Options{
				Server: c.Server, CAFile: c.CAFile, Auth: c.Auth, User: user, Master: c.Master, Password: password,
			}}
			if c.Master != "" && c.MasterSeparator != "" {
				a.Options.User, a.Options.Master = user+c.MasterSeparator+c.Master, ""
			}
			if a.Mailbox == "" {
				a.Mailbox = user
				if !address.In(user) && c.Domain != "" {
					a.Mailbox = address.Join(user, c.Domain)
				}
			}
			if !address.In(a.Mailbox) {
				return nil, fmt.Errorf("account %s: cannot tell which mailbox's rules apply; set mailbox or domain", user)
			}
			if slices.ContainsFunc(all, func(b Account) bool { return b.Name == a.Name }) {
				return nil, fmt.Errorf("account %s is there twice", user)
			}
			all = append(all, a)
		}
	}
	return all, nil
}

func usersOf(ctx context.Context, c *config.Account) ([]string, error) {
	users := slices.Clone(c.Users)
	if len(c.UsersCommand) > 0 {
		out, err := output(ctx, c.UsersCommand)
		if err != nil {
			return nil, err
		}
		users = append(users, strings.Fields(string(out))...)
	}
	if len(users) == 0 {
		return nil, errors.New("there are none")
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

// password gets the secret of an account, without the line end behind it.
func password(ctx context.Context, c *config.Account) (string, error) {
	var b []byte
	var err error
	switch {
	case len(c.PasswordCommand) > 0:
		b, err = output(ctx, c.PasswordCommand)
	case c.Credential != "":
		b, err = credential(c.Credential)
	default:
		b, err = os.ReadFile(c.PasswordFile)
		if st, serr := os.Stat(c.PasswordFile); serr == nil && st.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("other users may read %s; run chmod 600 %s", c.PasswordFile, c.PasswordFile)
		}
	}
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", errors.New("it is empty")
	}
	return secret, nil
}

// credential reads one that systemd has put there, by LoadCredential= or SetCredential=.
func credential(name string) ([]byte, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || name != filepath.Base(name) {
		return nil, fmt.Errorf("credential %q: systemd gives none; is there LoadCredential=%s in the unit?", name, name)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("credential %q: systemd gives none of that name", name)
	}
	return b, err
}

func output(ctx context.Context, args []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out, nil
}

// Sweeps prepares a sweep of each account, by the rules in force and with what the daemon knows.
func Sweeps(cfg config.Config, all []Account, log *slog.Logger) ([]*sweep.Sweep, error) {
	set, err := host.Rules(cfg, log)
	if err != nil {
		return nil, err
	}
	secret, err := host.ReadSecret(cfg.Secret)
	if err != nil {
		return nil, err
	}
	hasher, limiter := fingerprint.New(secret), &session.Limiter{Max: cfg.Sweep.Connections}
	var daemon store.Store
	if _, err := os.Stat(cfg.Control); err == nil {
		daemon = remote.Open(cfg.Control)
	}
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	var list []*sweep.Sweep
	for _, a := range all {
		domain := set.For(address.DomainOf(a.Mailbox))
		list = append(list, &sweep.Sweep{
			Account: a.Name, Mailbox: a.Mailbox, Server: a.Options, Limiter: limiter, Dir: cfg.Sweep.State,
			Engine: func(s store.Store) *engine.Engine {
				e := &engine.Engine{Store: s, Rules: func() *rules.Set { return set }, Hasher: hasher}
				host.KnowSent(e, cfg, log)
				return e
			},
			Daemon: daemon, Rules: domain.Sweep(),
			Host: hostname, Language: string(domain.Digest().Language), Log: log,
		})
	}
	return list, nil
}
