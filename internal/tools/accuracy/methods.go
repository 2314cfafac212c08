package main

import (
	"fmt"
	"io"
	"strings"

	"breakwater/internal/origin"
)

// couldWork tells of each proof of origin whether a report gives it what it needs.
func couldWork(r result) map[origin.Method]bool {
	c, ok := origin.Read(r.message, r.verdict)
	if !ok {
		return nil
	}
	whole := func(name string) bool { return strings.TrimSpace(c.Sent.Get(name)) != "" }
	return map[origin.Method]bool{
		// A report that has another reverse-path than the null one may have gone to From, too.
		origin.ByTag: r.message.ReversePath == "",
		// A token is in a header that is returned as it was sent. One that has no Received field is
		// rather summed up.
		origin.ByToken:         whole("From") && whole("Date") && whole("Message-ID") && whole("Received"),
		origin.ByMessageID:     len(c.IDs) > 0,
		origin.ByCorrespondent: len(c.Partner) > 0,
	}
}

// methods prints in how many of the delivery reports, and of the automatic answers, each proof of
// origin could work at all, and in how many the lack of all could tell that they are forged.
func methods(w io.Writer, results []result) {
	fmt.Fprintf(w, "\nProofs of origin: in how many each could work at all\n")
	for _, label := range []string{"dsn", "auto-reply", "challenge", "mdn"} {
		total, any, dated := 0, 0, 0
		of := map[origin.Method]int{}
		for _, r := range results {
			could := couldWork(r)
			if r.sample.class() != label || could == nil {
				continue
			}
			total++
			some := false
			for method, ok := range could {
				if ok {
					of[method]++
					some = true
				}
			}
			if some {
				any++
			}
			if c, _ := origin.Read(r.message, r.verdict); len(c.IDs) > 0 && !c.Date.IsZero() {
				dated++
			}
		}
		if total == 0 {
			continue
		}
		fmt.Fprintf(w, "%-12s %5d ", label, total)
		for _, method := range origin.Methods {
			fmt.Fprintf(w, "  %s %s", method, share(of[method], total))
		}
		fmt.Fprintf(w, "  any %s  with Message-ID and date of the original %s\n", share(any, total), share(dated, total))
	}
}
