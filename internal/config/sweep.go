package config

import (
	"errors"
	"fmt"
	"slices"
)

// Sweep is the settings of `breakwater sweep`.
type Sweep struct {
	State       string    `toml:"state"`       // folder for journals, and for what is new since the last sweep
	Connections int       `toml:"connections"` // to each server at once
	Accounts    []Account `toml:"account"`
}

// Account is an IMAP account, or those of many users with one login.
type Account struct {
	Server string `toml:"server"`  // imaps://HOST, imap://HOST for STARTTLS, imap+plain://127.0.0.1:PORT
	CAFile string `toml:"ca_file"` // certificates to trust besides those of the system, PEM
	Auth   string `toml:"auth"`    // plain, login, oauthbearer or xoauth2

	User    string `toml:"user"`
	Mailbox string `toml:"mailbox"` // address, where User is none

	// With a master login, for users: by SASL PLAIN with an authorization identity, or as
	// user, separator, master where MasterSeparator is set.
	Master          string   `toml:"master"`
	MasterSeparator string   `toml:"master_separator"`
	Users           []string `toml:"users"`
	UsersCommand    []string `toml:"users_command"` // prints users, a line each
	Domain          string   `toml:"domain"`        // of users that are no addresses

	// One of these. The password is never on a command line.
	PasswordFile    string   `toml:"password_file"`
	PasswordCommand []string `toml:"password_command"` // prints it
	Credential      string   `toml:"credential"`       // name of a systemd credential
}

// Check tells what is wrong in an account.
func (a *Account) Check() error {
	secrets := 0
	for _, given := range []bool{a.PasswordFile != "", len(a.PasswordCommand) > 0, a.Credential != ""} {
		if given {
			secrets++
		}
	}
	many := len(a.Users) > 0 || len(a.UsersCommand) > 0
	switch {
	case a.Server == "":
		return errors.New("names no server; write server = \"imaps://imap.example.org\"")
	case !slices.Contains([]string{"", "plain", "login", "oauthbearer", "xoauth2"}, a.Auth):
		return fmt.Errorf("auth %q: there are plain, login, oauthbearer, xoauth2", a.Auth)
	case secrets != 1:
		return errors.New("needs one of password_file, password_command and credential")
	case a.User == "" && !many:
		return errors.New("names no user")
	case many && a.Master == "":
		return errors.New("has users, which need a master to log in for them")
	case a.User != "" && many:
		return errors.New("has user and users; keep one")
	}
	return nil
}

func (s *Sweep) check() (key string, err error) {
	if s.State == "" {
		return "sweep.state", errors.New("sweep.state names no folder")
	}
	if s.Connections < 1 {
		return "sweep.connections", errors.New("sweep.connections must be at least 1")
	}
	for i := range s.Accounts {
		if err := s.Accounts[i].Check(); err != nil {
			return "sweep.account", fmt.Errorf("sweep.account %d %w", i+1, err)
		}
	}
	return "", nil
}
