package storm

import (
	"net/netip"
	"testing"
	"time"
)

func active(owner byte, k Kind, hash byte, link byte, copies uint64) Tally {
	at := start.Add(time.Duration(owner) * time.Minute)
	return Tally{
		Key: Key{Owner: [8]byte{owner}, Kind: k, Hash: [8]byte{hash}}, Link: [8]byte{link}, Limit: identity,
		First: at, Last: at.Add(time.Hour), Level: 6, Seen: copies + 3,
		Storm: &Storm{Since: at, Copies: copies, Subject: "s", Sources: []Source{{netip.AddrFrom4([4]byte{192, 0, 2, owner}), copies}}},
	}
}

func TestIncidents(t *testing.T) {
	storms := []Tally{
		active(1, ID, 10, 10, 100), active(1, Text, 20, 10, 90), // one message, two keys
		active(2, ID, 10, 10, 50),   // the same at another mailbox
		active(3, Text, 20, 77, 30), // the same text, first seen with another Message-ID
		active(4, ID, 11, 11, 500),  // something else
		{Key: Key{Kind: ID, Hash: [8]byte{10}}},
	}
	got := Incidents(storms, start.Add(2*time.Hour))
	if len(got) != 2 {
		t.Fatalf("%d incidents, want 2: %+v", len(got), got)
	}
	big, re := got[0], got[1]
	if big.Copies != 500 || big.Mailboxes() != 1 {
		t.Errorf("first: %+v", big)
	}
	if re.Copies != 180 || re.Mailboxes() != 3 || len(re.Kinds) != 2 || len(re.Sources) != 3 || re.Sources[0].Copies != 100 || !re.Active {
		t.Errorf("second: %+v", re)
	}
	if over := Incidents(storms, start.Add(80*time.Hour)); over[0].Active || over[1].Active {
		t.Error("still active after 80 hours")
	}
	if re.ID != "id-0a00000000" || re.Storms[0].Key.String() != "id-0a00000000-01000000" {
		t.Errorf("names: %s, %s", re.ID, re.Storms[0].Key)
	}
}
