package stormgen

import (
	"math"
	"math/rand/v2"
	"time"

	"breakwater/internal/message"
)

// tempest is the storm under way.
type tempest struct {
	o     Options
	rng   *rand.Rand
	left  int           // messages still to come
	quota [Ordinary]int // of them, by Kind
	pairs int           // (mailshot, mailbox) still to be thought of
	shots []*mailshot   // begun; of the last one perhaps not all copies are out
	relay []*relay      // those that send copies again
	blast []blast       // what each of them is sending
	boxes []string      // where everything goes to
}

// blast is one hop being sent to everybody.
type blast struct {
	shot *mailshot
	hop  *hop
	next int // of the mailboxes
	turn int // of the mailshots
}

func newTempest(o Options) *tempest {
	t := &tempest{o: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), left: o.Messages, boxes: o.mailboxes(), relay: resenders(o.Servers)}
	t.pairs = min(o.Mailshots*o.Mailboxes, t.left)
	later := t.left - t.pairs
	bounces, replies := later*1602/19_200, later*810/19_200
	t.quota = [...]int{Original: t.pairs, Copy: later - bounces - replies, Bounce: bounces, AutoReply: replies}
	for i := range t.relay {
		t.blast = append(t.blast, blast{turn: i})
	}
	return t
}

// at is when the next message comes. Each copy makes more, so they come faster and faster.
func (t *tempest) at() time.Time {
	done := 1 - float64(t.left)/float64(t.o.Messages)
	return t.o.Start.Add(time.Duration(float64(t.o.Span) * math.Sqrt(done)))
}

func (t *tempest) next() Item {
	k, at := t.drawKind(), t.at()
	var it Item
	switch k {
	case Original:
		it = t.original(at)
	case Copy:
		it = t.copy(at)
	case Bounce:
		it = t.bounce(at)
	case AutoReply:
		it = t.autoReply(at)
	}
	it.Kind, it.At = k, at
	t.left -= len(it.Envelope.Recipients)
	t.quota[k] -= len(it.Envelope.Recipients)
	return it
}

// drawKind draws without replacement, so that the shares come out even. Originals come
// early, and the rest only when there is a mailshot to be sent again.
func (t *tempest) drawKind() Kind {
	originals := t.quota[Original] * 10
	n := t.rng.IntN(originals + t.left - t.quota[Original])
	if n < originals || t.out() == 0 {
		return Original
	}
	n -= originals
	for _, k := range []Kind{Copy, Bounce} {
		if n < t.quota[k] {
			return k
		}
		n -= t.quota[k]
	}
	return AutoReply
}

// out is the number of mailshots of which all first copies are out.
func (t *tempest) out() int {
	n := len(t.shots)
	if n > 0 && t.shots[n-1].sent < len(t.shots[n-1].boxes) {
		n--
	}
	return n
}

// original is the next transaction of the mailshot that is being sent, or the first one of
// the next mailshot.
func (t *tempest) original(at time.Time) Item {
	if t.out() == len(t.shots) {
		boxes := t.boxes[:min(len(t.boxes), t.pairs)]
		t.pairs -= len(boxes)
		t.shots = append(t.shots, t.newMailshot(len(t.shots), boxes, at))
	}
	s := t.shots[len(t.shots)-1]
	n := min(1+t.rng.IntN(4), len(s.boxes)-s.sent)
	boxes := s.boxes[s.sent : s.sent+n]
	s.sent += n
	return t.transfer(s, s.hops[0], boxes, at)
}

// copy is the next transaction of a relay that goes on with its blast, or begins another one.
func (t *tempest) copy(at time.Time) Item {
	which := drawRelay(t.rng, t.relay)
	b := &t.blast[which]
	if b.shot == nil || b.next == len(b.shot.boxes) {
		b.shot, b.next = t.shots[b.turn%t.out()], 0
		b.turn++
		b.hop = t.pass(t.relay[which], b.shot.anyHop(t.rng), b.shot, at)
		b.shot.remember(b.hop)
	}
	n := min(1+t.rng.IntN(t.relay[which].rcpts), len(b.shot.boxes)-b.next, t.quota[Copy])
	boxes := b.shot.boxes[b.next : b.next+n]
	b.next += n
	return t.transfer(b.shot, b.hop, boxes, at)
}

// transfer hands a hop to our mail server.
func (t *tempest) transfer(s *mailshot, h *hop, boxes []string, at time.Time) Item {
	d := draft{make([]byte, 0, len(h.chain)+len(s.cc)+len(h.content)+2048)}
	d.field("Received", "%s", s.stamped(h, queueID(t.rng, 12), at))
	d.b = append(d.b, h.chain...)
	s.header(&d, h)
	d.b = append(d.b, h.content...)
	env := message.Envelope{Client: h.relay.client, Helo: h.relay.host, ReversePath: s.author}
	if t.o.Login && h.relay.make == 2 && h.depth > 0 {
		env.AuthUser = "office@" + h.relay.site
	}
	return Item{Group: s.group(), Envelope: arrived(t.rng, env, boxes...), Raw: d.b}
}

// arrived completes an envelope.
func arrived(rng *rand.Rand, env message.Envelope, boxes ...string) message.Envelope {
	env.QueueID = queueID(rng, 11)
	for _, addr := range boxes {
		env.Recipients = append(env.Recipients, message.Recipient{Addr: addr, Mailer: "virtual"})
	}
	return env
}
