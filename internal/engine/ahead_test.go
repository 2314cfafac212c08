package engine

import (
	"context"
	"strconv"
	"testing"
	"time"

	"breakwater/internal/notes"
	"breakwater/internal/origin"
	"breakwater/internal/rules"
	"breakwater/internal/storm"
)

// TestLearnedAhead: after a clock that was days ahead, part of the index may be gone from the disk, and not the rest. What
// domains have learned counts no more: reports on what they sent are not taken for forged.
func TestLearnedAhead(t *testing.T) {
	e := newOriginEngine(t, leavesHere)
	now := start.Add(9 * day)
	minutes(t, e, start, now)
	report := func(name string, a rules.Action, why string) {
		t.Helper()
		expect(t, name, judged(t, e, bounce(now, "ann@example.org", never(now.Add(-time.Hour), name), "x@example.net")), a, map[rules.Action]origin.Origin{rules.Absorb: origin.Forged, rules.Deliver: origin.Unknown}[a], why)
	}
	report("before", rules.Absorb, "")
	beat := func(at time.Time) {
		t.Helper()
		if err := e.Beat(context.Background(), at, false); err != nil {
			t.Fatal(err)
		}
	}
	beat(now.Add(30 * time.Minute))
	report("half an hour ahead", rules.Absorb, "")
	beat(now)
	report("right again", rules.Absorb, "")
	beat(now.Add(10 * day))
	report("ten days ahead, before the next minute", rules.Deliver, "")
	beat(now)
	report("ten days ahead, right again", rules.Deliver, "")
	if all, err := e.Learning(context.Background(), now); err != nil || len(all) != 1 || !all[0].Since.Equal(now) {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestCoveredAhead: minutes that were marked while the clock was ahead are not taken for seen when they come.
func TestCoveredAhead(t *testing.T) {
	e := newOriginEngine(t, leavesHere)
	now := start.Add(9 * day)
	for _, bit := origin.Slot(now); bit != 1; _, bit = origin.Slot(now) { // the first minute of a slot
		now = now.Add(time.Minute)
	}
	minutes(t, e, start, now)
	at := func(minute int) time.Time { return now.Add(time.Duration(minute) * time.Minute) }
	minutes(t, e, at(20), at(50)) // ahead
	minutes(t, e, now, at(5))     // right; and nobody sees what leaves in the next hour
	minutes(t, e, at(58), at(60))
	d := judged(t, e, bounce(at(60), "ann@example.org", never(at(35), "past"), "x@example.net"))
	expect(t, "sent past us", d, rules.Deliver, origin.Unknown, "did not see all")
	hour := e.Hasher.Key("", notes.Covered, strconv.FormatInt(slotOf(now), 10))
	if known, err := e.Store.Noted(context.Background(), at(60), []storm.Key{hour}); err != nil || known[0].Bits != 0b11<<58|0b11111 {
		t.Errorf("bits %b, %v", known[0].Bits, err)
	}
}

func slotOf(at time.Time) int64 {
	slot, _ := origin.Slot(at)
	return slot
}
