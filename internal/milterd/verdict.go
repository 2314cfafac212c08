package milterd

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/emersion/go-milter"

	"breakwater/internal/message"
	"breakwater/internal/rules"
)

// Body is called at the end of the message. It judges and absorbs it, and gives the MTA its one answer.
func (s *session) Body(m *milter.Modifier) (milter.Response, error) {
	s.queueID(m)
	begun := time.Now()
	s.conn.judging.Store(&begun)
	j, err := s.judge(begun)
	j, absorbErr := s.absorb(j.Settle(s.server.OnError))
	resp, lost := planFor(j.Decisions).apply(m, s.foreign, s.params) // lost: the MTA is gone, and will ask again
	o := Outcome{Judgement: j, Err: errors.Join(err, absorbErr, lost), Took: time.Since(begun), Connection: s.number}
	if o.Err != nil && (s.server.Counted == nil || !s.server.Counted(o.Err)) {
		s.server.failures.Add(1)
	}
	s.outcome = &o
	return resp, lost
}

// judge calls Judge, if there is a whole message to judge. What fails leaves it undecided.
func (s *session) judge(at time.Time) (rules.Judgement, error) {
	env := s.env
	undecided := rules.Undecided(&message.Message{Envelope: env, At: at})
	raw, err := s.raw()
	if err != nil {
		return undecided, err
	}
	defer s.server.turn(len(env.Recipients))()
	env.Truncated = s.spool.truncated
	j, err := within(s, or(s.server.JudgeTimeout, 3*time.Second), func(ctx context.Context) (rules.Judgement, error) {
		m := message.Parse(env, at.UTC().Round(0), raw)
		j, err := s.server.Judge(ctx, m)
		j.Message = m
		return j, err
	})
	switch {
	case err != nil:
		err = fmt.Errorf("judge: %w", err)
	case len(j.Decisions) != len(env.Recipients):
		err = fmt.Errorf("%d decisions for %d recipients", len(j.Decisions), len(env.Recipients))
	}
	if j.Message == nil || len(j.Decisions) != len(env.Recipients) {
		return undecided, err
	}
	return j, err
}

// raw is the message in hand as it came.
func (s *session) raw() ([]byte, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	if s.spool == nil {
		return nil, errors.New("the mail server ended a message that it had not begun")
	}
	return s.spool.bytes()
}

// A message to many recipients takes as long to judge as many messages. Of such, few are judged at once and the
// others wait for their turn, which is not part of JudgeTimeout: that would make them OnError.
const (
	largeFrom  = 100 // recipients
	largeTurns = 2
	turnLimit  = 30 * time.Second // then it is judged all the same
)

// turn waits for the turn of a message to n recipients. The caller ends it.
func (s *Server) turn(n int) (end func()) {
	if n < largeFrom {
		return func() {}
	}
	s.mu.Lock()
	if s.turns == nil {
		s.turns = make(chan struct{}, largeTurns)
	}
	turns := s.turns
	s.mu.Unlock()
	limit := time.NewTimer(turnLimit)
	defer limit.Stop()
	select {
	case turns <- struct{}{}:
		return func() { <-turns }
	case <-limit.C:
		return func() {}
	}
}

// absorb puts the message into the archive for those for whom it is absorbed, before the MTA gets its answer. Where that
// fails, OnError decides instead.
func (s *session) absorb(j rules.Judgement) (rules.Judgement, error) {
	if len(j.Absorbed()) == 0 {
		return j, nil
	}
	err := errors.New("there is no archive")
	if s.server.Absorb != nil {
		_, err = within(s, or(s.server.AbsorbTimeout, 30*time.Second), func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.server.Absorb(ctx, j)
		})
	}
	if err == nil {
		return j, nil
	}
	return j.WithoutAbsorb().Settle(s.server.OnError), fmt.Errorf("absorb: %w", err)
}

// refuse asks whether a recipient is refused at RCPT, and what the peer is told.
func (s *session) refuse(rcpt message.Recipient) (text string, refused bool) {
	if s.server.Refuse == nil || s.env.ReversePath != "" || s.spool == nil || s.failed != nil || s.refuseFailed || s.env.Local {
		return "", false
	}
	begun, env := time.Now(), s.env
	env.Recipients = nil
	type answer struct {
		text    string
		refused bool
	}
	a, err := within(s, or(s.server.JudgeTimeout, 3*time.Second), func(ctx context.Context) (a answer, err error) {
		a.text, a.refused = s.server.Refuse(ctx, env, rcpt)
		return a, nil
	})
	if err != nil {
		s.refuseFailed = true // or each of a thousand recipients takes that long
		s.server.log().Error("refuse recipient", "qid", env.QueueID, "err", err)
	}
	if !a.refused {
		return "", false
	}
	env.Recipients = []message.Recipient{rcpt}
	s.outcome = &Outcome{
		Judgement: rules.Judgement{
			Message:   &message.Message{Envelope: env, At: begun.UTC().Round(0)},
			Decisions: []rules.Decision{{Recipient: rcpt, Action: rules.Reject, Reason: "refused at RCPT", Rule: rules.Source{File: "refuse"}, Text: a.text}},
		},
		AtRCPT: true,
		Took:   time.Since(begun),
	}
	return a.text, true
}

// answered tells Done what was decided about the message, or the recipient, that the MTA has its
// answer to, or that it was cut off from. A panic there must not cost other messages theirs.
func (s *session) answered() {
	defer s.conn.judging.Store(nil)
	if s.outcome == nil {
		return
	}
	o := *s.outcome
	s.outcome = nil
	defer func() {
		if v := recover(); v != nil {
			s.server.log().Error("panic after a decision", "qid", o.Message.QueueID, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	if s.server.Done != nil {
		s.server.Done(o)
	}
}

// within runs f and waits for it, but no longer than limit. f may panic, and it may go on when
// its time is up: the message in hand stays valid until it returns.
func within[T any](s *session, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	// One for each connection may be running, and as many again that nobody waits for.
	if s.server.running.Add(1) > 2*int64(s.server.maxConns()) {
		s.server.running.Add(-1)
		return result{}.value, errors.New("too many messages are still being worked on")
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s.spool.hold()
	results := make(chan result, 1)
	go func(sp *spool, qid string) {
		r := result{err: errors.New("gave up")}
		defer func() {
			if v := recover(); v != nil {
				s.server.log().Error("panic", "qid", qid, "panic", v, "stack", string(debug.Stack()))
				r = result{err: fmt.Errorf("panic: %v", v)}
			}
			sp.release()
			s.server.running.Add(-1)
			results <- r
		}()
		r.value, r.err = f(ctx)
	}(s.spool, s.env.QueueID)
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		return result{}.value, fmt.Errorf("no answer within %v", limit)
	}
}
