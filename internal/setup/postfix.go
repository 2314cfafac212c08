// Package setup works out what a mail server's configuration needs to ask breakwater. It
// changes nothing itself.
package setup

import (
	"fmt"
	"slices"
	"strings"
)

// Postfix is a Postfix configuration, as postconf prints it.
type Postfix struct {
	Main     map[string]string // main.cf: the parameters that are named in Parameters
	Services []Service         // of master.cf
}

// Parameters are what has to be known of main.cf.
var Parameters = []string{
	"smtpd_milters", "non_smtpd_milters", "internal_mail_filter_classes", "smtpd_command_filter", "recipient_delimiter", "recipient_canonical_maps",
}

// Wishes are what an operator wants.
type Wishes struct {
	Milter string   // our socket, such as inet:127.0.0.1:8891
	Prvs   []string // domains whose mail leaves with tags in the prvs form
	Table  string   // the file for them
	Now    string   // what stands in it now
}

// Service is one service of master.cf.
type Service struct {
	Name, Type, Command string
	Chroot              bool
	Overrides           map[string]string // its -o options
}

// Change is one line to set, or a file to write.
type Change struct {
	File    string `json:"file,omitempty"`    // whose content is New; all else but Why is empty then
	Service string `json:"service,omitempty"` // as in smtp/inet; "" is main.cf
	Name    string `json:"name"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Why     string `json:"why"`
}

// Line is the change as a command.
func (c Change) Line() string {
	if c.File != "" {
		return fmt.Sprintf("cat >%s <<'END'\n%sEND", c.File, c.New)
	}
	if c.Service == "" {
		return fmt.Sprintf("postconf -e '%s = %s'", c.Name, c.New)
	}
	return fmt.Sprintf("postconf -P '%s/%s=%s'", c.Service, c.Name, c.New)
}

// Args are the arguments of postconf that make the change, where it is no file.
func (c Change) Args() []string {
	if c.Service == "" {
		return []string{"-e", c.Name + " = " + c.New}
	}
	return []string{"-P", c.Service + "/" + c.Name + "=" + c.New}
}

// ParsePostfix reads the output of postconf with Parameters, of `postconf -M` and of `postconf -P`.
func ParsePostfix(parameters, services, overrides string) Postfix {
	p := Postfix{Main: map[string]string{}}
	for line := range strings.Lines(parameters) {
		name, value, _ := strings.Cut(line, "=")
		p.Main[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for line := range strings.Lines(services) {
		f := strings.Fields(line)
		if len(f) < 8 || strings.HasPrefix(line, "#") {
			continue
		}
		// service type private unprivileged chroot wakeup maxproc command; "-" is no chroot
		// since Postfix 3.0.
		p.Services = append(p.Services, Service{Name: f[0], Type: f[1], Chroot: f[4] == "y", Command: f[7], Overrides: map[string]string{}})
	}
	for line := range strings.Lines(overrides) {
		key, value, _ := strings.Cut(line, "=")
		path := strings.SplitN(strings.TrimSpace(key), "/", 3)
		if len(path) != 3 {
			continue
		}
		for i := range p.Services {
			if s := &p.Services[i]; s.Name == path[0] && s.Type == path[1] {
				s.Overrides[path[2]] = strings.TrimSpace(value)
			}
		}
	}
	return p
}

// Plan says what to set so that p asks the milter about all mail once, and what an operator
// should know besides.
func (p Postfix) Plan(w Wishes) (changes []Change, notes []string) {
	milter := w.Milter
	// Accept if the milter is away: mail flows on. Protocol 6 whatever main.cf says, or it
	// would never be asked. Both are said for this milter alone, others keep what they have.
	ours := fmt.Sprintf("{ %s, default_action=accept, protocol=6, connect_timeout=10s, command_timeout=30s, content_timeout=120s }", milter)
	if !has(p.Main["smtpd_milters"], milter) {
		changes = append(changes, p.also("smtpd_milters", ours, "ask breakwater about all mail that comes by SMTP; without it, mail flows on"))
	}
	for _, s := range p.Services {
		if s.Command != "smtpd" || s.Type != "inet" {
			continue
		}
		own, overridden := s.Overrides["smtpd_milters"]
		switch {
		case submission(s):
			if s.Overrides["milter_macro_daemon_name"] != "ORIGINATING" {
				changes = append(changes, Change{Service: s.Name + "/" + s.Type, Name: "milter_macro_daemon_name", Old: s.Overrides["milter_macro_daemon_name"], New: "ORIGINATING",
					Why: "tell breakwater that this is mail of your own users"})
			}
			if overridden && !has(own, milter) && !has(own, "$smtpd_milters") {
				notes = append(notes, fmt.Sprintf("service %s has smtpd_milters of its own, %q: breakwater does not see mail that your users send", s.Name, own))
			}
		case reinjection(s) && !overridden:
			changes = append(changes, Change{Service: s.Name + "/" + s.Type, Name: "smtpd_milters", New: "",
				Why: "mail that comes back from a content filter must not count twice"})
		case overridden && own != "" && !has(own, milter):
			notes = append(notes, fmt.Sprintf("service %s has smtpd_milters of its own, %q: breakwater does not see its mail", s.Name, own))
		}
		if path, ok := strings.CutPrefix(milter, "unix:"); ok && s.Chroot {
			notes = append(notes, fmt.Sprintf("service %s runs in a chroot: Postfix looks for %s below its queue directory (/var/spool/postfix%s)", s.Name, path, path))
		}
	}
	if len(w.Prvs) > 0 {
		more, also := p.prvs(w)
		changes, notes = append(changes, more...), append(notes, also...)
	}
	return changes, append(notes, p.elsewhere(w, ours)...)
}

// also is the change that adds a value to a parameter of main.cf which is a list.
func (p Postfix) also(name, value, why string) Change {
	old := p.Main[name]
	return Change{Name: name, Old: old, New: join(old, value), Why: why}
}

// has reports whether a value of main.cf that is a list has an element. What is in braces with it
// are its settings.
func has(list, element string) bool {
	return slices.Contains(elements(list), element)
}

// elements are the parts of a list of main.cf (postconf(5)).
func elements(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t\r\n{}", r) })
}

func join(list, value string) string {
	if list == "" {
		return value
	}
	return list + ", " + value
}

// elsewhere are the notes about mail that does not come by SMTP, and about what only rule files tell.
func (p Postfix) elsewhere(w Wishes, ours string) (notes []string) {
	if own := p.Main["non_smtpd_milters"]; !has(own, w.Milter) && !has(own, "$smtpd_milters") {
		c := p.also("non_smtpd_milters", ours, "")
		notes = append(notes, "mail that programs of this host send by sendmail(1), such as cron and PHP, is not asked about. "+
			"If a rule file is to say all_mail_leaves_here = true, it has to be:\n  "+c.Line())
	}
	if !strings.Contains(p.Main["recipient_delimiter"], "+") && len(w.Prvs) == 0 {
		c := Change{Name: "recipient_delimiter", New: p.Main["recipient_delimiter"] + "+"}
		notes = append(notes, "bounces to ann+prvs-1234abcdef@example.org are refused. If a rule file is to say form = \"subaddress\" under [batv]:\n  "+c.Line())
	}
	if !has(p.Main["internal_mail_filter_classes"], "bounce") {
		c := Change{Name: "internal_mail_filter_classes", New: join(p.Main["internal_mail_filter_classes"], "bounce")}
		notes = append(notes, "bounces that this Postfix makes itself are not asked about. Where it takes mail that later hops refuse, "+
			"a storm's bounces are made here, and it is wise to ask; it is not where another filter in non_smtpd_milters may refuse mail, since a refused bounce is lost. "+
			"With non_smtpd_milters as above:\n  "+c.Line())
	}
	return notes
}

// submission reports whether a service takes mail of our own users.
func submission(s Service) bool {
	switch s.Name {
	case "submission", "submissions", "smtps", "587", "465":
		return true
	}
	port := s.Name[strings.LastIndexByte(s.Name, ':')+1:]
	return port == "587" || port == "465" || s.Overrides["smtpd_sasl_auth_enable"] == "yes"
}

// reinjection reports whether a service is where a content filter hands mail back: on
// loopback, or told not to do again what was done before.
func reinjection(s Service) bool {
	for _, host := range []string{"127.0.0.1:", "localhost:", "[::1]:", "::1:"} {
		if strings.HasPrefix(s.Name, host) {
			return true
		}
	}
	return strings.Contains(s.Overrides["receive_override_options"], "no_") || strings.HasPrefix(s.Overrides["mynetworks"], "127.") && s.Overrides["content_filter"] == ""
}
