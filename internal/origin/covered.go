package origin

import "time"

// Life is how long the index remembers mail that we sent, where nothing else is wanted. What is nearly
// as old as that is no more judged by its absence: mail may have waited in a queue before it was
// reported.
const (
	Life   = 14 * 24 * time.Hour
	Margin = 5 * 24 * time.Hour
)

// slack is how far a gap in the index reaches beyond both its ends: clocks differ, and mail
// is written before it is sent.
const slack = 10 * time.Minute

// slotMinutes is how many minutes share a slot, a bit each.
const slotMinutes = 64

// Slot is where the index notes that it saw all that was sent in the minute of a time.
func Slot(t time.Time) (slot int64, bit uint64) {
	minute := t.Unix() / 60
	return minute / slotMinutes, 1 << (minute % slotMinutes)
}

// Slots are those that tell whether a date is covered, in their order; none for the zero Time.
func Slots(date time.Time) []int64 {
	if date.Before(time.Unix(0, 0).Add(slack)) {
		return nil
	}
	first, _ := Slot(date.Add(-slack))
	last, _ := Slot(date.Add(slack))
	var slots []int64
	for s := first; s <= last; s++ {
		slots = append(slots, s)
	}
	return slots
}

// Covers reports whether the index saw all that was sent around a date. marks are those of
// Slots.
func Covers(date time.Time, marks []uint64) bool {
	slots := Slots(date)
	if len(slots) == 0 || len(marks) != len(slots) {
		return false
	}
	for t := date.Add(-slack); !t.After(date.Add(slack)); t = t.Add(time.Minute) {
		slot, bit := Slot(t)
		if marks[slot-slots[0]]&bit == 0 {
			return false
		}
	}
	return true
}
