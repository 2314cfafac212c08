package storm

// AppendBinary appends t, without Through, in the form that all stores keep.
func (t Tally) AppendBinary(b []byte) ([]byte, error) { panic("written next") }

// UnmarshalBinary reads what AppendBinary wrote.
func (t *Tally) UnmarshalBinary(b []byte) error { panic("written next") }
