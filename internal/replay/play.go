package replay

import (
	"context"

	"breakwater/internal/engine"
	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// Player judges mail of the past and counts what becomes of it.
type Player struct {
	Base     *engine.Engine
	Other    *engine.Engine                              // judges by other rules; nil: there are none
	To       []string                                    // the recipients of all mail; none: those that it had
	Unread   func(error)                                 // is told of what cannot be read
	Each     func(m Mail, d, other rules.Decision) error // is told of each delivery, by both rules
	Progress func(n int)                                 // is told of messages
}

// Play judges a plan. The error is one of the engines, of Each, or of ctx.
func (p *Player) Play(ctx context.Context, plan *Plan) (*Sums, error) {
	sums := NewSums()
	unread := func(err error) {
		sums.Unread++
		p.Unread(err)
	}
	for _, err := range plan.Errors {
		unread(err)
	}
	for next := range ahead(ctx, plan) {
		if next.err != nil {
			unread(next.err)
			continue
		}
		if err := p.judge(ctx, next.mail, sums); err != nil {
			return sums, err
		}
		p.Progress(1)
	}
	return sums, ctx.Err()
}

func (p *Player) judge(ctx context.Context, mail Mail, sums *Sums) error {
	m := mail.Message
	if len(p.To) > 0 {
		m.Recipients, mail.Guessed = nil, false
		for _, to := range p.To {
			m.Recipients = append(m.Recipients, message.Recipient{Addr: to})
		}
	}
	sums.Message(mail)
	j, err := p.Base.Judge(ctx, m)
	if err != nil {
		return err
	}
	others := j.Decisions
	if p.Other != nil {
		other, err := p.Other.Judge(ctx, m)
		if err != nil {
			return err
		}
		others = other.Decisions
	}
	for i, d := range j.Decisions {
		sums.Add(d, others[i])
		if err := p.Each(mail, d, others[i]); err != nil {
			return err
		}
	}
	return nil
}

// readAhead bounds how much mail is read before its turn.
const readAhead = 8

type read struct {
	mail Mail
	err  error
}

// ahead reads mail while that before it is judged.
func ahead(ctx context.Context, plan *Plan) <-chan read {
	mails := make(chan read, readAhead)
	go func() {
		defer close(mails)
		for m, err := range plan.All(ctx) {
			select {
			case mails <- read{m, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return mails
}
