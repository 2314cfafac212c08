// Package setup works out what a mail server's configuration needs to ask breakwater, sets that in Postfix's, and
// undoes it.
package setup

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Postfix is a Postfix configuration, as postconf prints it.
type Postfix struct {
	Main     map[string]string // main.cf: the parameters that are named in Parameters
	Full     map[string]string // the same with what $name in them stands for
	Services []Service         // of master.cf

	Who func(address string) Listener // who listens at a milter's address; nil: nobody can tell
}

// Parameters are what has to be known of main.cf.
var Parameters = []string{
	"smtpd_milters", "non_smtpd_milters", "milter_default_action", "internal_mail_filter_classes", "smtpd_command_filter", "recipient_delimiter", "recipient_canonical_maps",
	"queue_directory", "receive_override_options", "content_filter", "smtpd_proxy_filter",
}

// Wishes are what an operator wants.
type Wishes struct {
	Milter string   // our socket, such as PostfixSocket
	Prvs   []string // domains whose mail leaves with tags in the prvs form
	Table  string   // the file for them
	Now    string   // what stands in it now
	Ways   []string // addresses of this host where mail is handed back, such as Way
}

// Sockets of breakwater as mail servers name them, where nothing else is said.
const (
	// Postfix finds a path without a leading slash below its queue directory, whether or not the
	// service runs in a chroot, which is there as well.
	PostfixSocket  = "unix:breakwater/milter.sock"
	SendmailSocket = "unix:/run/breakwater/milter.sock"
)

// CheckMilter says what is wrong with the address of a milter. relative allows a path of a unix socket
// that is relative to where the mail server runs, as only Postfix has it.
func CheckMilter(milter string, relative bool) error {
	if addr, ok := strings.CutPrefix(milter, "inet:"); ok {
		if _, port, err := net.SplitHostPort(addr); err == nil && port != "" {
			return nil
		}
	} else if path, ok := strings.CutPrefix(milter, "unix:"); ok && (strings.HasPrefix(path, "/") || relative && path != "") {
		return nil
	}
	return fmt.Errorf("--milter: %q is no address; write unix:/run/breakwater/milter.sock or inet:127.0.0.1:8896", milter)
}

// Service is one service of master.cf.
type Service struct {
	Name, Type, Command string
	Chroot              bool
	Overrides           map[string]string // its -o options
	written             map[string]string // the same as they are written, where that is in one word
}

// Change is one line to set, or a file to write.
type Change struct {
	File    string `json:"file,omitempty"`    // whose content is New; all else but Why is empty then
	Service string `json:"service,omitempty"` // as in smtp/inet; "" is main.cf
	Name    string `json:"name"`              // of a parameter; "" is the service itself, whose line of master.cf is New
	Old     string `json:"old"`
	New     string `json:"new"`
	Why     string `json:"why"`
	Remove  bool   `json:"remove,omitempty"` // the line is taken out; New is empty
}

// Line is the change as a command.
func (c Change) Line() string {
	if c.File != "" {
		return fmt.Sprintf("cat >%s <<'END'\n%sEND", c.File, c.New)
	}
	if c.Remove && c.Name == "" {
		return fmt.Sprintf("postconf -MX '%s'", c.Service)
	}
	if c.Remove && c.Service == "" {
		return fmt.Sprintf("postconf -X '%s'", c.Name)
	}
	if c.Remove {
		return fmt.Sprintf("postconf -PX '%s/%s'", c.Service, c.Name)
	}
	if c.Name == "" {
		return fmt.Sprintf("postconf -M '%s=%s'", c.Service, c.New)
	}
	if c.Service == "" {
		return fmt.Sprintf("postconf -e '%s = %s'", c.Name, c.New)
	}
	return fmt.Sprintf("postconf -P '%s/%s=%s'", c.Service, c.Name, c.New)
}

// Args are the arguments of postconf that make the change, where it is no file.
func (c Change) Args() []string {
	if c.Name == "" {
		return []string{"-M", c.Service + "=" + c.New}
	}
	if c.Service == "" {
		return []string{"-e", c.Name + " = " + c.New}
	}
	return []string{"-P", c.Service + "/" + c.Name + "=" + c.New}
}

// ParsePostfix reads the output of `postconf` and `postconf -x` with Parameters, of `postconf -M` and
// of `postconf -xP`.
func ParsePostfix(parameters, expanded, services, overrides string) Postfix {
	p := Postfix{Main: values(parameters), Full: values(expanded)}
	for line := range strings.Lines(services) {
		f := strings.Fields(line)
		if len(f) < 8 || strings.HasPrefix(line, "#") {
			continue
		}
		// service type private unprivileged chroot wakeup maxproc command; "-" is no chroot
		// since Postfix 3.0.
		p.Services = append(p.Services, Service{Name: f[0], Type: f[1], Chroot: f[4] == "y", Command: f[7], Overrides: map[string]string{}, written: written(f[8:])})
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

// written are the options among the arguments of a service, but for those in braces.
func written(args []string) map[string]string {
	m := map[string]string{}
	for i, arg := range args {
		if name, value, ok := strings.Cut(arg, "="); ok && i > 0 && args[i-1] == "-o" {
			m[name] = value
		}
	}
	return m
}

func values(parameters string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(parameters) {
		name, value, _ := strings.Cut(line, "=")
		m[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return m
}

// Plan says what to set so that p asks the milter about all mail once, and what an operator
// should know besides.
func (p Postfix) Plan(w Wishes) (changes []Change, notes []string) {
	milter := w.Milter
	// Accept if the milter is away: mail flows on. Protocol 6 whatever main.cf says, or it
	// would never be asked. Both are said for this milter alone, others keep what they have.
	ours := fmt.Sprintf("{ %s, default_action=accept, protocol=6, connect_timeout=10s, command_timeout=30s, content_timeout=120s }", milter)
	if asked := p.Full["smtpd_milters"]; !p.has(asked, milter) {
		changes = append(changes, p.also("smtpd_milters", ours, "ask breakwater about all mail that comes by SMTP; without it, mail flows on"))
		notes = append(notes, p.sharesPort(milter)...)
	} else if !strings.Contains(p.find(asked, milter), "default_action") && p.Full["milter_default_action"] != "accept" {
		notes = append(notes, fmt.Sprintf("smtpd_milters has %s without default_action=accept: while breakwater is away, mail is put off. If it is breakwater, write\n  %s\n"+
			"and if it is another filter (OpenDKIM often has this port), give breakwater another, by listen in breakwater.toml and --milter", milter, ours))
	}
	back := "" // what is asked about mail that comes back
	others := slices.DeleteFunc(elements(p.Full["smtpd_milters"]), func(e string) bool { return p.is(address(e), milter) })
	if len(others) > 0 {
		back = "$" + besides // since values with blanks and braces are not for postconf -P
	}
	for _, s := range p.Services {
		if s.Command != "smtpd" || s.Type != "inet" && s.Type != "pass" {
			continue
		}
		own, overridden := s.Overrides["smtpd_milters"]
		switch {
		case hostOf(s) != "" && slices.Contains(w.Ways, net.JoinHostPort(hostOf(s), portOf(s))): // see way
		case submission(s):
			if s.Overrides["milter_macro_daemon_name"] != "ORIGINATING" {
				changes = append(changes, Change{Service: s.Name + "/" + s.Type, Name: "milter_macro_daemon_name", Old: s.Overrides["milter_macro_daemon_name"], New: "ORIGINATING",
					Why: "tell breakwater that this is mail of your own users"})
			}
			if overridden && !p.has(own, milter) {
				notes = append(notes, fmt.Sprintf("service %s has smtpd_milters of its own, %q: breakwater does not see mail that your users send", s.Name, own))
			}
		case reinjection(s):
			if !overridden {
				changes = append(changes, Change{Service: s.Name + "/" + s.Type, Name: "smtpd_milters", New: back,
					Why: "mail that comes back from a content filter must not count twice"})
			}
		case overridden && !p.has(own, milter):
			notes = append(notes, fmt.Sprintf("service %s has smtpd_milters of its own, %q: breakwater does not see its mail", s.Name, own))
		}
		if path, ok := strings.CutPrefix(milter, "unix:/"); ok && s.Chroot {
			notes = append(notes, fmt.Sprintf("service %s runs in a chroot: Postfix looks for /%s below its queue directory (/var/spool/postfix/%s)", s.Name, path, path))
		}
	}
	if back != "" && slices.ContainsFunc(changes, func(c Change) bool { return c.New == back }) {
		changes = append(changes, Change{Name: besides, New: strings.Join(others, ", "), Why: "what mail that comes back from a content filter is still asked about"})
	}
	for _, way := range w.Ways {
		more, also := p.way(way)
		changes, notes = append(changes, more...), append(notes, also...)
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

// has reports whether a list of milters has one.
func (p Postfix) has(list, milter string) bool { return p.find(list, milter) != "" }

// find is the element of a list of milters that is one, with its settings; "" if there is none.
func (p Postfix) find(list, milter string) string {
	for _, e := range elements(list) {
		if p.is(address(e), milter) {
			return e
		}
	}
	return ""
}

// is reports whether an address is that of our milter: the same, or the same port of this host under another name, at
// which breakwater listens.
func (p Postfix) is(addr, milter string) bool {
	port, local := localPort(milter)
	other, alsoLocal := localPort(addr)
	return p.same(addr, milter) || local && alsoLocal && port == other && p.who(addr).Ours
}

// same reports whether two addresses are those of one milter. A path may be said from the queue
// directory on, or for a chroot, which is there.
func (p Postfix) same(a, b string) bool {
	socket := func(addr string) (string, bool) {
		kind, path, _ := strings.Cut(addr, ":")
		path = strings.TrimPrefix(path, or(p.Main["queue_directory"], "/var/spool/postfix")+"/")
		return strings.TrimPrefix(path, "/"), kind == "unix" || kind == "local"
	}
	pathA, unixA := socket(a)
	pathB, unixB := socket(b)
	return a == b || unixA && unixB && pathA == pathB
}

func or(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

// address is an element of a list of milters without its settings.
func address(element string) string {
	addr := strings.Trim(element, "{} \t")
	if i := strings.IndexAny(addr, ", \t"); i >= 0 {
		addr = addr[:i]
	}
	return addr
}

// elements are the parts of a list of main.cf; what is in braces is one of them (postconf(5)).
func elements(list string) (all []string) {
	depth, begin := 0, 0
	for i, r := range list + "," {
		switch r {
		case '{':
			depth++
		case '}':
			depth--
		case ',', ' ', '\t', '\r', '\n':
			if depth > 0 && i < len(list) {
				continue
			}
			if begin < i {
				all = append(all, list[begin:i])
			}
			begin = i + 1
		}
	}
	return all
}

// besides is our parameter of main.cf with the milters that are not breakwater.
const besides = "milters_besides_breakwater"

// sharesPort notes a milter at the same port of this host that is written in another way.
func (p Postfix) sharesPort(milter string) (notes []string) {
	port, ok := localPort(milter)
	for _, e := range elements(p.Full["smtpd_milters"]) {
		if other, is := localPort(address(e)); ok && is && other == port {
			notes = append(notes, fmt.Sprintf("%s is asked already, and has the port of breakwater: give breakwater another, by listen in breakwater.toml and --milter", address(e)))
		}
	}
	return notes
}

// localPort is the port of a milter's address that is on this host.
func localPort(milter string) (port string, ok bool) {
	addr, inet := strings.CutPrefix(milter, "inet:")
	host, port, err := net.SplitHostPort(addr)
	ip, _ := netip.ParseAddr(host)
	return port, inet && err == nil && (host == "localhost" || ip.IsLoopback())
}

func join(list, value string) string {
	if list == "" {
		return value
	}
	return list + ", " + value
}

// elsewhere are the notes about mail that does not come by SMTP, and about what only rule files tell.
func (p Postfix) elsewhere(w Wishes, ours string) (notes []string) {
	if !p.has(p.Full["non_smtpd_milters"], w.Milter) && !refers(p.Main["non_smtpd_milters"], "smtpd_milters") {
		c := p.also("non_smtpd_milters", ours, "")
		notes = append(notes, "mail that programs of this host send by sendmail(1), such as cron and PHP, is not asked about. "+
			"If a rule file is to say all_mail_leaves_here = true, it has to be:\n  "+c.Line())
	}
	if !strings.Contains(p.Main["recipient_delimiter"], "+") && len(w.Prvs) == 0 {
		c := Change{Name: "recipient_delimiter", New: p.Main["recipient_delimiter"] + "+"}
		notes = append(notes, "bounces to ann+prvs-1234abcdef@example.org are refused. If a rule file is to say form = \"subaddress\" under [batv]:\n  "+c.Line())
	}
	if !slices.Contains(elements(p.Main["internal_mail_filter_classes"]), "bounce") {
		c := Change{Name: "internal_mail_filter_classes", New: join(p.Main["internal_mail_filter_classes"], "bounce")}
		notes = append(notes, "bounces that this Postfix makes itself are not asked about. Where it takes mail that later hops refuse, "+
			"a storm's bounces are made here, and it is wise to ask; it is not where another filter in non_smtpd_milters may refuse mail, since a refused bounce is lost. "+
			"With non_smtpd_milters as above:\n  "+c.Line())
	}
	return notes
}

// refers reports whether a value has $name in it, which then has what name is set to.
func refers(value, name string) bool {
	return slices.ContainsFunc(elements(value), func(e string) bool {
		return e == "$"+name || e == "${"+name+"}" || e == "$("+name+")"
	})
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

// reinjection reports whether a service is where a content filter hands mail back: on a port of
// loopback, or told not to filter and check again. What takes mail of the world at port 25 is none,
// and no_milters asks nobody as it is.
func reinjection(s Service) bool {
	host, port := "", s.Name
	if i := strings.LastIndexByte(s.Name, ':'); i >= 0 {
		host, port = s.Name[:i], s.Name[i+1:]
	}
	told := s.Overrides["receive_override_options"]
	if port == "smtp" || port == "25" || s.Type == "pass" || strings.Contains(told, "no_milters") {
		return false
	}
	filter, own := s.Overrides["content_filter"]
	return slices.Contains([]string{"127.0.0.1", "localhost", "[::1]", "::1"}, host) || own && filter == "" ||
		strings.Contains(told, "no_unknown_recipient_checks") || strings.Contains(told, "no_header_body_checks") ||
		strings.HasPrefix(s.Overrides["mynetworks"], "127.") && filter == ""
}

// Undo returns what takes out what was done, of a configuration that others have changed since: their values
// stay, without what is ours in them.
func (p Postfix) Undo(done []Change) (undo []Change) {
	for _, c := range done {
		if c.File != "" {
			continue
		}
		now, is := p.now(c)
		back := Change{Service: c.Service, Name: c.Name, Old: now, New: c.Old}
		switch {
		case !is:
			continue
		case now != c.New && c.Name != besides: // somebody has added something, or taken ours out
			ours := elements(strings.TrimPrefix(c.New, c.Old))
			left := slices.DeleteFunc(elements(now), func(e string) bool { return slices.Contains(ours, e) })
			if len(left) == len(elements(now)) {
				continue
			}
			back.New = strings.Join(left, ", ")
		}
		back.Remove = back.New == ""
		undo = append(undo, back)
	}
	return undo
}

// now is what a parameter is set to.
func (p Postfix) now(c Change) (value string, is bool) {
	if c.Service == "" {
		value, is = p.Main[c.Name]
		return value, is || c.Name == besides
	}
	for _, s := range p.Services {
		if s.Name+"/"+s.Type != c.Service {
			continue
		}
		if c.Name == "" {
			return c.New, true
		}
		if value, is = s.written[c.Name]; !is {
			value, is = s.Overrides[c.Name]
		}
	}
	return value, is
}
