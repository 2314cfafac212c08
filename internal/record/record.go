// Package record hands on what became of mail: to the incidents, and to the ledger that proves it later.
//
// It does so once the mail server has its answer, waits for no disk, and fails alone: mail goes on without it, and Err
// says so.
//
// Below the archive's folder are the incidents and the ledger. What commands write to the archive's audit.log
// becomes leaves, too.
package record

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"breakwater/internal/address"
	"breakwater/internal/archive"
	"breakwater/internal/classify"
	"breakwater/internal/fingerprint"
	"breakwater/internal/incident"
	"breakwater/internal/ledger"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/owned"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// IncidentsDir is where the incidents of an archive are.
func IncidentsDir(archiveDir string) string { return filepath.Join(archiveDir, "incidents") }

// LedgerDir is where the ledger of an archive is.
func LedgerDir(archiveDir string) string { return filepath.Join(archiveDir, "ledger") }

// KeyFile is the key of the ledger, beside the other keys.
func KeyFile(keysFile string) string { return filepath.Join(filepath.Dir(keysFile), "ledger.key") }

// Options are what a Recorder needs.
type Options struct {
	Archive string // folder
	KeyFile string // of the ledger
	Origin  string // who signs
	Version string // of the program
	Source  func(*message.Message) fingerprint.Source
	Name    func(mailbox string) string // what stands for a mailbox in the ledger, which outlives its mail
	Log     *slog.Logger
}

// Recorder records. It is safe for concurrent use. A nil one records nothing.
type Recorder struct {
	o      Options
	book   *incident.Book // nil: it could not be opened
	ledger *ledger.Ledger // likewise
	failed error          // why
	opened time.Time
	urgent chan struct{}
	wrong  atomic.Pointer[error] // of the last Flush
}

// Open opens the records of an archive. What can not be opened is left out: Err says why, and mail goes on.
func Open(o Options, at time.Time) *Recorder {
	r := &Recorder{o: o, opened: at, urgent: make(chan struct{}, 1)}
	var err error
	if r.ledger, err = ledger.Open(LedgerDir(o.Archive), o.KeyFile, ledger.Options{Origin: o.Origin, Log: o.Log}); err != nil {
		r.ledger, r.failed = nil, err
	}
	r.book, err = incident.Open(IncidentsDir(o.Archive), at, incident.Options{Log: o.Log, Counted: r.counted, Written: r.written})
	if err != nil {
		r.book, r.failed = nil, errors.Join(r.failed, err)
	}
	if r.failed != nil {
		o.Log.Error("mail is not recorded as evidence", "err", r.failed)
	}
	if r.ledger != nil {
		r.Leaf(at, "start", map[string]string{"version": o.Version})
		o.Log.Info("ledger", "key", r.ledger.VerifierKey())
	}
	return r
}

// Err is why something is not recorded; nil while all is.
func (r *Recorder) Err() error {
	if r == nil {
		return nil
	}
	err := r.failed
	if r.ledger != nil {
		err = errors.Join(err, r.ledger.Err())
	}
	if wrong := r.wrong.Load(); wrong != nil {
		err = errors.Join(err, *wrong)
	}
	return err
}

// Leaf adds a leaf to the ledger, if there is one.
func (r *Recorder) Leaf(at time.Time, kind string, what any) {
	if r != nil && r.ledger != nil {
		r.ledger.Append(at, kind, what)
	}
}

// detail is what the ledger is to say of a message.
type detail struct {
	leaf   leaf
	kind   string
	logged atomic.Bool // it has its leaf
}

// leaf is what the ledger says of a message.
type leaf struct {
	Incident string         `json:"incident,omitempty"` // the part that it counts to
	QueueID  string         `json:"queue_id,omitempty"`
	Came     time.Time      `json:"came"`
	Client   string         `json:"client"`          // who handed it to us, or to our relays
	Relay    string         `json:"relay,omitempty"` // who was connected, where that was a relay of ours
	Port     uint16         `json:"port,omitempty"`  // from which the connection came
	Name     string         `json:"name,omitempty"`  // of who was connected, as the mail server looked it up
	TLS      string         `json:"tls,omitempty"`
	Helo     string         `json:"helo,omitempty"`
	Host     string         `json:"host,omitempty"`     // what we call ourselves
	Listener string         `json:"listener,omitempty"` // of the mail server
	Class    string         `json:"class"`
	Signs    []string       `json:"signs,omitempty"`
	Prints   []string       `json:"prints,omitempty"`
	Origin   string         `json:"origin,omitempty"`
	Actions  map[string]int `json:"actions"`
	Rules    []string       `json:"rules,omitempty"`
	Storms   []string       `json:"storms,omitempty"`
	To       []string       `json:"to,omitempty"` // what stands for the mailboxes for which it was absorbed
	SHA256   string         `json:"sha256,omitempty"`
	Size     int            `json:"size"`
}

const (
	maxTo   = 200 // mailboxes in a leaf
	maxText = 200 // bytes of others' texts in a leaf
)

// Message records what was decided about a message, and done. connection is the number of the one that it came by. It
// keeps nothing of the message's bytes.
func (r *Recorder) Message(j rules.Judgement, connection uint64) {
	if r == nil || len(j.Facts) == 0 { // it was not judged, or is our own
		return
	}
	m := r.member(j, connection)
	d := r.detail(j, m)
	m.Detail = d
	if r.book != nil && r.book.Add(m) {
		select {
		case r.urgent <- struct{}{}:
		default:
		}
	}
	if d.kind == "absorb" {
		r.log(d, "")
	}
}

// counted gives each message of an incident its leaf.
func (r *Recorder) counted(part string, m *incident.Member) {
	if d, ok := m.Detail.(*detail); ok {
		r.log(d, part)
	}
}

func (r *Recorder) log(d *detail, part string) {
	if d.logged.CompareAndSwap(false, true) {
		d.leaf.Incident = part
		r.Leaf(d.leaf.Came, d.kind, &d.leaf)
	}
}

// written makes a leaf of what becomes part of an incident's file: rows of minutes above all.
func (r *Recorder) written(part string, from int64, lines []byte) {
	r.Leaf(time.Now(), "rows", map[string]any{"incident": part, "from": from, "bytes": len(lines), "sha256": hash(lines)})
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// client is who handed us m, as we or our relays saw it.
func (r *Recorder) client(m *message.Message) (incident.Client, netip.Addr) {
	s := r.o.Source(m)
	if s.Login != "" {
		return incident.Login(s.Login), m.Client.Unmap()
	}
	return incident.Host(s.Addr), s.Addr
}

// shared are the kinds of prints that copies of one message share, those that say most first.
var shared = []storm.Kind{storm.Text, storm.Near, storm.ID, storm.DSN, storm.Reply}

// member is what the incidents are told of a message.
func (r *Recorder) member(j rules.Judgement, connection uint64) *incident.Member {
	m := j.Message
	client, addr := r.client(m)
	out := &incident.Member{
		At: m.At, Client: client, Connection: connection, Class: string(j.Verdict.Class), Signs: j.Signs, Subject: m.Subject, Bytes: int64(len(m.Raw)),
		Self: incident.Refs(m.MessageID, m.From, m.Date, fingerprint.Skeleton(m.Subject)), About: about(j), Chain: incident.ReadChain(m, addr),
	}
	if m.From != "" && m.Subject != "" {
		out.Self = append(out.Self, incident.AnswerRef(address.Mailbox(m.From), fingerprint.Skeleton(m.Subject)))
	}
	for _, kind := range shared {
		for _, p := range j.Prints {
			if p.Kind == kind {
				out.Prints = append(out.Prints, incident.Print{Kind: p.Kind, Hash: p.Hash})
			}
		}
	}
	fates := map[string]int{}
	for i, d := range j.Decisions {
		fates[string(d.Action)]++
		if id := storm.IncidentOf(d.Storm); id != "" && !strings.HasPrefix(id, storm.Class.String()+"-") && !slices.Contains(out.Storms, id) {
			out.Storms = append(out.Storms, id)
		}
		if out.Domain == "" && backscatter(j.Facts[i], d) {
			out.Domain = address.DomainOf(d.Recipient.Addr)
		}
	}
	for _, action := range sorted(fates) {
		out.Fates = append(out.Fates, incident.Fate{Action: action, Recipients: fates[action]})
	}
	return out
}

// backscatter reports whether a report is on mail that we did not send. Where that is not known, its mailbox gets more reports than
// ordinary mail brings.
func backscatter(f rules.Facts, d rules.Decision) bool {
	if f.Outbound {
		return false
	}
	flood := slices.ContainsFunc(f.Tallies, func(t storm.Tally) bool { return t.Key.Kind == storm.Class && t.Storm != nil })
	return d.Origin == origin.Forged || d.Origin == origin.Unknown && flood
}

// about is what a report or an answer is about.
func about(j rules.Judgement) []incident.Ref {
	m := j.Message
	if rep := j.Verdict.Report; rep != nil {
		date, _ := mail.ParseDate(rep.Original.Date) // the zero time where it is none
		return incident.Refs(rep.Original.MessageID, rep.Original.From, date, fingerprint.Skeleton(rep.Original.Subject))
	}
	for _, field := range []string{"In-Reply-To", "References"} {
		if ids := strings.Fields(m.Header.Get(field)); len(ids) > 0 {
			return incident.Refs(strings.Trim(ids[len(ids)-1], "<>"), "", time.Time{}, "")
		}
	}
	if answers := j.Verdict.Class == classify.AutoReply || j.Verdict.Class == classify.Challenge; answers && len(m.Recipients) > 0 && m.Subject != "" {
		return []incident.Ref{incident.AnswerRef(address.Mailbox(m.Recipients[0].Addr), fingerprint.Skeleton(m.Subject))}
	}
	return nil
}

// detail is what the ledger is told of a message. Of one that was delivered it has no content.
func (r *Recorder) detail(j rules.Judgement, in *incident.Member) *detail {
	m := j.Message
	d := &detail{kind: "deliver", leaf: leaf{
		QueueID: cut(m.QueueID), Came: m.At, Client: cut(in.Client.String()), Port: m.ClientPort, Name: cut(m.ClientName), TLS: cut(m.TLS), Helo: cut(m.Helo), Host: cut(m.Host), Listener: cut(m.DaemonName),
		Class: in.Class, Signs: j.Signs.Names(), Actions: map[string]int{}, Storms: in.Storms, Size: len(m.Raw),
	}}
	if from := m.Client.Unmap(); from.IsValid() && from.String() != d.leaf.Client {
		d.leaf.Relay = from.String()
	}
	for n, p := range in.Prints {
		if n > 0 && in.Prints[n-1].Kind == p.Kind {
			continue // one of each kind tells which copies belong together
		}
		d.leaf.Prints = append(d.leaf.Prints, fmt.Sprintf("%v-%x", p.Kind, p.Hash))
	}
	for _, dec := range j.Decisions {
		d.leaf.Actions[string(dec.Action)]++
		if rule := dec.Rule.String(); !slices.Contains(d.leaf.Rules, rule) && len(d.leaf.Rules) < 10 {
			d.leaf.Rules = append(d.leaf.Rules, rule)
		}
		if dec.Origin != "" {
			d.leaf.Origin = string(dec.Origin)
		}
		if dec.Action == rules.Absorb {
			d.kind = "absorb"
			if len(d.leaf.To) < maxTo {
				d.leaf.To = append(d.leaf.To, r.o.Name(address.Mailbox(dec.Recipient.Addr)))
			}
		}
	}
	if d.kind == "absorb" {
		d.leaf.SHA256 = hash(m.Raw)
	}
	return d
}

func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

func sorted(of map[string]int) []string {
	var all []string
	for name := range of {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// How often things are done.
const (
	flushEvery      = time.Minute
	checkpointEvery = time.Hour
	auditEvery      = 10 * time.Second
)

// Run writes what was recorded until ctx ends, and signs the ledger each hour, and where an incident ends.
func (r *Recorder) Run(ctx context.Context) {
	r.Recover(ctx)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	flushed, signed, audited := time.Now(), time.Now(), time.Time{}
	for {
		urgent := false
		select {
		case <-ctx.Done():
			return
		case <-r.urgent:
			urgent = true
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(audited) >= auditEvery {
			r.audit(ctx)
			audited = now
		}
		if !urgent && now.Sub(flushed) < flushEvery {
			continue
		}
		ended := r.Flush(now)
		flushed = now
		if len(ended) > 0 || now.Sub(signed) >= checkpointEvery {
			r.checkpoint(now, ended)
			signed = now
		}
		if urgent { // a storm of new storms is written once a second
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// Flush writes what was counted, and returns the incidents that have ended.
func (r *Recorder) Flush(at time.Time) (ended []string) {
	if r.book == nil {
		return nil
	}
	ended = r.book.Tick(at)
	err := r.book.Flush(at)
	if err != nil {
		r.o.Log.Error("incidents", "err", err)
		r.wrong.Store(&err)
	} else {
		r.wrong.Store(nil)
	}
	for _, id := range ended {
		r.o.Log.Info("incident ended", "id", id)
		r.Leaf(at, "end", map[string]string{"incident": id})
	}
	return ended
}

// checkpoint signs the ledger. The note goes into the log, which may be on another host: who has it can tell later what
// somebody has altered before it.
func (r *Recorder) checkpoint(at time.Time, ended []string) {
	if r.ledger == nil {
		return
	}
	text, err := r.ledger.Checkpoint(at)
	if err != nil {
		r.o.Log.Error("ledger", "err", err)
		return
	}
	r.o.Log.Info("ledger", "checkpoint", text, "ended", ended)
}

// Incidents are those under way, and those that can begin again, the newest first.
func (r *Recorder) Incidents() []incident.Incident {
	if r == nil || r.book == nil {
		return nil
	}
	return r.book.Incidents()
}

// Do does what an operator orders. It is a leaf of the ledger.
func (r *Recorder) Do(at time.Time, o incident.Order) error {
	if r.book == nil {
		return fmt.Errorf("incidents are not kept: %w", r.failed)
	}
	if o.Verb == "seal" {
		return r.seal(at)
	}
	if err := r.book.Do(at, o); err != nil {
		return err
	}
	r.Leaf(at, "order", o)
	return nil
}

// seal has all that was counted under a checkpoint of the ledger.
func (r *Recorder) seal(at time.Time) error {
	if r.ledger == nil {
		return fmt.Errorf("there is no ledger: %w", r.failed)
	}
	if err := r.book.Flush(at); err != nil {
		return err
	}
	_, err := r.ledger.Checkpoint(at)
	return err
}

// Held reports whether copies of a storm, as storm.Key.Incident names it, are on hold.
func (r *Recorder) Held(stormID string) bool {
	return r != nil && r.book != nil && r.book.Held(stormID)
}

// Close writes all, signs the ledger a last time and closes everything.
func (r *Recorder) Close(at time.Time) error {
	var errs []error
	if r.book != nil {
		errs = append(errs, r.book.Close(at))
	}
	if r.ledger != nil {
		r.audit(context.Background())
		r.Leaf(at, "stop", nil)
		r.checkpoint(at, nil)
		errs = append(errs, r.ledger.Close())
	}
	return errors.Join(errs...)
}

// Recover counts what was absorbed before a crash, from the archive.
func (r *Recorder) Recover(ctx context.Context) {
	if r.book == nil || r.book.Crashed().IsZero() {
		return
	}
	since := r.book.Crashed().Add(-20 * time.Minute).UTC()
	from, err := archive.OpenReadOnly(r.o.Archive)
	if err != nil {
		r.o.Log.Error("counts before the crash are not complete", "err", err)
		return
	}
	var all []incident.Absorbed
	begin := since.Format("20060102-150405") + "-000000000" // the ID of a copy of that time
	for c, err := range from.Since(ctx, begin) {
		if err != nil {
			r.o.Log.Error("counts before the crash may not be complete", "err", err)
			continue
		}
		if c.At.Before(r.opened) {
			all = append(all, r.absorbed(ctx, from, &c))
		}
	}
	if n := r.book.Rebuild(time.Now(), all); n > 0 {
		r.o.Log.Info("copies absorbed before the crash are counted from the archive", "copies", n)
		r.Flush(time.Now())
	}
}

// absorbed is a copy of the archive as the incidents count it.
func (r *Recorder) absorbed(ctx context.Context, from *archive.Reader, c *archive.Copy) incident.Absorbed {
	m := message.Message{Envelope: message.Envelope{Client: c.Client, Helo: c.Helo, AuthUser: c.AuthUser, ReversePath: c.ReversePath}, At: c.At}
	if s := r.o.Source(&m); s.Login == "" && s.Addr == m.Client.Unmap() && from != nil {
		// It may be a relay of ours; who is behind it stands in the message.
		for whole, err := range from.Select(ctx, func(o *archive.Copy) bool { return o.ID == c.ID }) {
			if err == nil {
				m = *message.Parse(m.Envelope, c.At, whole.Raw)
			}
		}
	}
	client, _ := r.client(&m)
	a := incident.Absorbed{At: c.At, Client: client, Subject: c.Subject, Bytes: c.Size}
	for _, rcpt := range c.Recipients {
		a.Recipients = append(a.Recipients, incident.AbsorbedRecipient{Class: rcpt.Class, Storm: storm.IncidentOf(rcpt.Storm)})
	}
	return a
}

// followed is the file that says how much of audit.log has become leaves.
const followed = "audit.followed"

// audit makes leaves of the new lines of audit.log.
func (r *Recorder) audit(ctx context.Context) {
	if r.ledger == nil {
		return
	}
	if err := r.follow(ctx); err != nil {
		r.o.Log.Error("audit.log does not get into the ledger", "err", err)
	}
}

func (r *Recorder) follow(ctx context.Context) error {
	f, err := os.Open(filepath.Join(r.o.Archive, archive.AuditFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	name := filepath.Join(LedgerDir(r.o.Archive), followed)
	var at int64
	if b, err := os.ReadFile(name); err == nil {
		at, _ = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // else from the beginning: twice is better than never
	}
	if st.Size() == at {
		return nil
	}
	if st.Size() < at {
		r.Leaf(time.Now(), "audit", map[string]any{"shorter": st.Size(), "was": at})
		at = 0
	}
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what is not whole is being written
		}
		if err != nil {
			return err
		}
		at += int64(len(line))
		line = bytes.TrimRight(line, "\n")
		r.Leaf(time.Now(), "audit", map[string]any{"line": string(line[:min(len(line), 8<<10)]), "sha256": hash(line)})
	}
	if err := r.ledger.Flush(ctx); err != nil {
		return err
	}
	out, err := owned.Open(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, at)
	return errors.Join(err, out.Close())
}
