package main

import (
	"strings"
	"testing"

	"breakwater/internal/rules"
	"breakwater/internal/sweep"
)

// TestGuardInDryRun: the dry run tells what --apply would refuse.
func TestGuardInDryRun(t *testing.T) {
	plan := &sweep.Plan{Account: "ann", Folders: []sweep.FolderPlan{{Folder: "INBOX", Messages: 75, Move: 57}}}
	s := &sweep.Sweep{Account: "ann", Rules: rules.Sweep{MaxShare: 0.5}}
	for _, tt := range []struct {
		flags     sweepFlags
		may       bool
		err, told string
	}{
		{sweepFlags{apply: true}, false, "57 of 75 messages out of INBOX, and max_share is 50%; nothing was changed", ""},
		{sweepFlags{}, false, "", "--apply does it only with --max-share 1, since the plan would move 57 of 75"},
		{sweepFlags{share: 1}, false, "", "--apply does it\n"},
		{sweepFlags{apply: true, share: 1}, true, "", ""},
	} {
		may, err := tt.flags.approve(s, plan)
		if may != tt.may || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%+v: %v, %v", tt.flags, may, err)
		}
		var out strings.Builder
		if err := tt.flags.told(&out, s, plan); err != nil || !strings.Contains(out.String(), tt.told) || tt.told == "" && out.Len() > 0 {
			t.Errorf("%+v: %q, %v", tt.flags, out.String(), err)
		}
	}
}
