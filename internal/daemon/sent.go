package daemon

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"breakwater/internal/address"
	"breakwater/internal/control"
	"breakwater/internal/message"
	"breakwater/internal/origin"
	"breakwater/internal/submit"
)

// pulse tells at the end of each minute whether all mail that left in it was seen.
type pulse struct {
	last   time.Time // the end of the minute before; zero: we began later
	missed uint64    // how often mail may have left unseen, up to then
}

// late is how late the end of a minute may be noticed: a daemon that stood still for longer may
// have been given up by mail servers, which then sent mail past it.
const late = 5 * time.Second

// saw is told when a minute's end was noticed, and how often mail may have left unseen so far.
func (p *pulse) saw(now time.Time, missed uint64) bool {
	end := now.Truncate(time.Minute)
	all := end.Sub(p.last) == time.Minute && now.Sub(end) < late && missed == p.missed
	p.last, p.missed = end, missed
	return all
}

// sees reports whether all mail was seen from the beginning of a minute up to now, which is in it.
func (p *pulse) sees(minute, now time.Time, missed uint64) bool {
	return !p.last.IsZero() && !minute.Before(p.last) && now.Sub(p.last) < time.Minute+late && missed == p.missed
}

// unseen is how often mail may have left that the index does not know.
func (d *Daemon) unseen() uint64 { return d.missed.Load() + d.milter.Refused() + d.milter.Failures() }

// seeing tells of the minute that has not ended yet whether all mail was seen.
func (d *Daemon) seeing(since time.Time) bool {
	p := d.pulse.Load()
	return p != nil && d.store.Err() == nil && p.sees(since, d.now(), d.unseen())
}

// probeEvery is how often the mail server is asked again whether it takes mail to addresses with tags.
// As long as it does not, it is asked each minute: it may just have been started.
const probeEvery = time.Hour

// watchTags asks about tags until ctx ends.
func (d *Daemon) watchTags(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for n := 0; ; n++ {
		d.probeTags(ctx, n%int(probeEvery/time.Minute) == 0)
		select {
		case <-minute.C:
		case <-ctx.Done():
			return
		}
	}
}

// look is how often the daemon checks whether it was suspended.
const look = 2 * time.Second

// untilMinute waits for the end of a minute; false if ctx ends first. A daemon that stood still for
// long meanwhile may have missed mail.
func (d *Daemon) untilMinute(ctx context.Context) bool {
	for end := time.Now().Truncate(time.Minute).Add(time.Minute); ; {
		now := time.Now()
		wait := min(look, end.Sub(now))
		if wait <= 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		if time.Since(now) > wait+late {
			d.missed.Add(1)
		}
	}
}

// watchSent keeps the index of what was sent until ctx ends.
func (d *Daemon) watchSent(ctx context.Context) {
	p := pulse{missed: d.unseen()}
	for n := 0; d.untilMinute(ctx); n++ {
		now := d.now()
		if d.store.Err() != nil {
			d.missed.Add(1) // what it cannot write, it may have to forget
		}
		saw := p.saw(now, d.unseen())
		ended := p
		d.pulse.Store(&ended)
		if !saw && n > 0 {
			d.log.Warn("mail may have left in this minute that the index of sent mail does not know; reports on it will not be taken for forged")
		}
		if err := d.engine.Beat(ctx, now.Truncate(time.Minute), saw); err != nil && ctx.Err() == nil {
			d.missed.Add(1)
			d.log.Error("index of sent mail", "err", err)
		}
	}
}

// refuse refuses a recipient without a tag, where its domain wants that.
func (d *Daemon) refuse(ctx context.Context, env message.Envelope, rcpt message.Recipient) (string, bool) {
	text, refused, err := d.engine.Refuse(ctx, d.now(), env, rcpt)
	if err != nil {
		d.log.Error("look for the tag of a recipient", "to", d.address(rcpt.Addr), "err", err)
	}
	return text, refused && err == nil
}

// takesTag tells whether the mail server takes mail to addresses of a domain with tags of a form.
func (d *Daemon) takesTag(domain string, form origin.Form) bool {
	takes, ok := d.takes.Load(tagged{domain, form})
	return ok && takes.(bool)
}

// tagged is a domain with a form of tags.
type tagged struct {
	domain string
	form   origin.Form
}

// probeTags asks the mail server whether it takes reports to addresses with tags, for the domains that
// want them: their mail leaves without one as long as it does not. Those that it takes are asked
// about only with again.
func (d *Daemon) probeTags(ctx context.Context, again bool) {
	for domain := range d.rules.Load().Domains {
		form := domain.BATV().Form
		for _, name := range domain.Names {
			if form == origin.NoTag || strings.HasPrefix(name, "*") || d.takesTag(name, form) && !again {
				continue
			}
			addr := d.ring.Load().Tagged(d.someone(name), form, d.now())
			err := d.probe(ctx, addr)
			had, known := d.takes.Swap(tagged{name, form}, err == nil)
			switch {
			case err == nil && had != true:
				d.log.Info("mail leaves with tags", "domain", name, "form", string(form))
			case err != nil && (!known || again || had == true):
				d.log.Warn("mail leaves without tags: the mail server does not take mail to addresses with a tag; `breakwater setup` shows what it needs",
					"domain", name, "form", string(form), "address", d.address(addr), "err", d.hidden(err.Error()))
			}
		}
	}
}

// someone is an address of a domain that there is: who sent the last mail, or else the postmaster,
// whom there should be.
func (d *Daemon) someone(domain string) string {
	if addr, ok := d.senders.Load(domain); ok {
		return addr.(string)
	}
	return "postmaster@" + domain
}

// noteSender remembers who sent m, if tags are wanted where he is.
func (d *Daemon) noteSender(m *message.Message) {
	domain := address.DomainOf(m.ReversePath)
	if m.ReversePath != "" && d.rules.Load().For(domain).BATV().Form != origin.NoTag {
		d.senders.Store(domain, m.ReversePath)
	}
}

func (d *Daemon) probe(ctx context.Context, addr string) error {
	target, err := submit.Parse(d.cfg.Sent.Probe)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return submit.Probe(ctx, target, "", addr)
}

// learners are the domains of which all mail leaves here.
func (d *Daemon) learners(ctx context.Context) ([]control.Learner, error) {
	all, err := d.engine.Learning(ctx, d.now())
	if err != nil {
		return nil, err
	}
	out := make([]control.Learner, len(all))
	for i, l := range all {
		out[i] = control.Learner{Domain: l.Domain, Since: l.Since, Until: l.Until, Spared: l.Excused}
	}
	return out, nil
}

// learningMetrics shows what domains have learned, by domain.
type learningMetrics struct{ d *Daemon }

var (
	learningUntil  = prometheus.NewDesc("breakwater_learning_until_seconds", "Time until which a domain learns what it sends; 0: it has not begun.", []string{"domain"}, nil)
	learningSpared = prometheus.NewDesc("breakwater_spared_total", "Reports that would have been forged, had their domain not been learning.", []string{"domain"}, nil)
)

// Describe is prometheus.Collector's.
func (learningMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- learningUntil
	ch <- learningSpared
}

// Collect is prometheus.Collector's.
func (m learningMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all, err := m.d.learners(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(learningUntil, err)
		return
	}
	for _, l := range all {
		until := 0.0
		if !l.Until.IsZero() {
			until = float64(l.Until.Unix())
		}
		ch <- prometheus.MustNewConstMetric(learningUntil, prometheus.GaugeValue, until, l.Domain)
		ch <- prometheus.MustNewConstMetric(learningSpared, prometheus.CounterValue, float64(l.Spared), l.Domain)
	}
}
