package rules

import (
	"time"

	"breakwater/internal/classify"
	"breakwater/internal/origin"
	"breakwater/internal/storm"
	"breakwater/internal/tomlfile"
)

// settings is all that a rule file may say. The zero value of a field says nothing. To add a
// setting, add it here: parsing, inheritance, `rules show` and the schema follow.
type settings struct {
	Aliases []string `toml:"aliases" doc:"Further domains with these rules; *.example.org are all sub-domains of example.org. Others than sub-domains need [site.aliases] in breakwater.toml."`
	scope
	Mailbox map[string]scope       `toml:"mailbox" doc:"Exceptions for mailboxes, by local part."`
	Sender  map[string]senderScope `toml:"sender" doc:"Exceptions by the address in From: an address, a domain, or *.example.org for all sub-domains."`
	Rules   []fileRule             `toml:"rule" doc:"Rules, tried in their order before anything else; the first that matches decides."`

	MailboxAlias map[string]string `toml:"mailbox_alias" doc:"Local parts that are one mailbox, and the mailbox that they are, so that they share its counts. One * in a local part is any text: that of a catch-all is \"*\"."`

	AllMailLeavesHere bool   `toml:"all_mail_leaves_here" doc:"true: no mail of the domain is sent past breakwater, so that reports on mail that it did not see can be told to be forged."`
	Origin            Origin `toml:"origin" doc:"How it is proved that the domain sent what a report is about."`
	BATV              BATV   `toml:"batv" doc:"Tags in the reverse-path of mail that the domain sends."`

	Digest    Digest        `toml:"digest" doc:"Who is told of absorbed mail, and when."`
	Retention fileRetention `toml:"retention" doc:"How long absorbed mail is kept, and can be released."`
	Sweep     Sweep         `toml:"sweep" doc:"What breakwater sweep does at mailboxes that were hit."`
}

// scope is what holds for a domain, and what may be otherwise for a mailbox or a sender.
type scope struct {
	Mode   Mode                   `toml:"mode" doc:"enforce carries decisions out; observe only logs and counts them, and delivers everything."`
	Action map[className]Action   `toml:"action" doc:"What happens to mail that is in no storm, by its class."`
	Limit  map[kindName]fileLimit `toml:"limit" doc:"When copies are a storm, by what they have in common."`

	DSN       map[originName]Action `toml:"dsn" doc:"What happens to delivery reports in no storm, by whether we sent what they are about; else what [action] says."`
	MDN       map[originName]Action `toml:"mdn" doc:"The same for read receipts."`
	AutoReply map[originName]Action `toml:"auto-reply" doc:"The same for automatic answers."`
	Challenge map[originName]Action `toml:"challenge" doc:"The same for challenges."`
}

type senderScope struct {
	scope
	Exempt []string `toml:"exempt" doc:"No limit is for mail of this sender that comes from these networks or logins, such as 192.0.2.0/28 or login:nagios."`
}

type fileLimit struct {
	limitValues
	Class map[className]limitValues `toml:",rest" doc:"Other values for mail of this class."`
}

type limitValues struct {
	Copies int           `toml:"copies" min:"1" max:"1000000" doc:"So many arrive at each mailbox before the rest is a storm."`
	Window time.Duration `toml:"window" doc:"Copies are forgotten at the pace of copies in this time."`
	Calm   time.Duration `toml:"calm" doc:"A storm ends when nothing more has come for this time; longer than window."`
	Action Action        `toml:"action" doc:"What happens to the rest of the storm; deliver: it is only shown."`
	Learn  time.Duration `toml:"learn" doc:"A flood is only observed for so long after the host began to count floods."`
}

type fileRule struct {
	Name   string `toml:"name" need:"true" doc:"What logs, digests and tests call the rule."`
	When   string `toml:"when" need:"true" doc:"The condition, over the facts that the README lists."`
	Action Action `toml:"action" need:"true" doc:"What happens to mail that matches."`
	Text   string `toml:"text" doc:"For reject and tempfail, what the sending server is told."`
	Digest Notify `toml:"digest" doc:"Who is told of what the rule absorbs, instead of [digest] to."`
}

// className is a class in a rule file.
type className classify.Class

// Values are the classes.
func (className) Values() []string { return texts(classify.Classes) }

// originName is an origin in a rule file.
type originName origin.Origin

// Values are the origins.
func (originName) Values() []string { return texts(origin.Origins) }

// byOrigin are the tables with an action for each origin, by the class that they are for.
func (s *scope) byOrigin() map[classify.Class]map[originName]Action {
	return map[classify.Class]map[originName]Action{
		classify.DSN: s.DSN, classify.MDN: s.MDN, classify.AutoReply: s.AutoReply, classify.Challenge: s.Challenge,
	}
}

// kindName is a kind of key in a rule file.
type kindName string

// Values are the kinds.
func (kindName) Values() []string {
	var names []string
	for _, k := range storm.Kinds {
		names = append(names, k.String())
	}
	return names
}

func texts[T ~string](of []T) []string {
	all := make([]string, len(of))
	for i, v := range of {
		all[i] = string(v)
	}
	return all
}

// builtIn holds where default.toml says nothing, as one does that was written for an older version.
// All mail is delivered then, and storms are only shown. What builtIn leaves out default.toml must
// say.
const builtIn = `
[action]
dsn        = "deliver"
mdn        = "deliver"
feedback   = "deliver"
auto-reply = "deliver"
challenge  = "deliver"
bulk       = "deliver"
personal   = "deliver"

[limit]
id     = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }
text   = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }
near   = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }
dsn    = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }
reply  = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }
repeat = { copies = 300, window = "1h",  calm = "2h",  action = "deliver" }
class  = { copies = 200, window = "1h",  calm = "2h",  action = "deliver" }
loop      = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }
chain     = { copies = 20,  window = "24h", calm = "48h", action = "deliver" }
nest      = { copies = 10,  window = "24h", calm = "48h", action = "deliver" }
echo      = { copies = 60,  window = "1h",  calm = "2h",  action = "deliver" }
about     = { copies = 50,  window = "24h", calm = "48h", action = "deliver" }
delayed   = { copies = 20,  window = "1h",  calm = "2h",  action = "deliver" }
dead      = { copies = 10,  window = "24h", calm = "48h", action = "deliver" }
unproved  = { copies = 200, window = "1h",  calm = "2h",  action = "deliver" }
bomb      = { copies = 40,  window = "1h",  calm = "2h",  action = "deliver", learn = "14d" }
plea      = { copies = 10,  window = "1h",  calm = "6h",  action = "deliver", learn = "14d" }
program   = { copies = 300, window = "1h",  calm = "2h",  action = "deliver" }
unchanged = { copies = 3,   window = "24h", calm = "48h", action = "deliver" }

[digest]
to = "mailbox"
language = "en"
wait = "15m"
interval = "6h"

[origin]
proofs = ["tag", "token", "message-id", "correspondents"]
token = true
learn = "7d"

[batv]
form = "off"

[retention]
keep = "30d"

[sweep]
absorb = "Breakwater/Absorbed"
quarantine = "Breakwater/Quarantine"
keyword = "$Breakwater"
min_age = "1h"
max_share = 0.5
`

// builtInName is what sources call it.
const builtInName = "built in"

// Schema is the JSON Schema of rule files.
func Schema() map[string]any { return tomlfile.Schema(settings{}, "Rules of breakwater for a domain") }
