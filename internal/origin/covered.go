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

// about is when a message of a date may have left that was reported on at another time: at
// about its date, and before the report.
func about(date, reported time.Time) (from, to time.Time) {
	from, to = date.Add(-slack), date.Add(slack)
	if reported.Before(to) {
		to = reported
	}
	return from.Truncate(time.Minute), to
}

// Slots are those that tell whether the time is covered in which a message of a date may have
// left, in their order; none for the zero Time, and for a date that is yet to come.
func Slots(date, reported time.Time) []int64 {
	from, to := about(date, reported)
	if from.Before(time.Unix(0, 0)) || to.Before(from) {
		return nil
	}
	first, _ := Slot(from)
	last, _ := Slot(to)
	var slots []int64
	for s := first; s <= last; s++ {
		slots = append(slots, s)
	}
	return slots
}

// Unseen is the first minute in which a message of a date may have left without being seen. It
// is zero where there is none, and long ago where it cannot be told. marks are those of Slots.
func Unseen(date, reported time.Time, marks []uint64) time.Time {
	slots := Slots(date, reported)
	if len(slots) == 0 || len(marks) != len(slots) {
		return time.Unix(0, 0)
	}
	from, to := about(date, reported)
	for t := from; !t.After(to); t = t.Add(time.Minute) {
		slot, bit := Slot(t)
		if marks[slot-slots[0]]&bit == 0 {
			return t
		}
	}
	return time.Time{}
}
