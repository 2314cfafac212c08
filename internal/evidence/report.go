package evidence

import (
	"bytes"
	"crypto/ed25519"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"breakwater/internal/incident"
)

func ed25519Key(b []byte) ed25519.PublicKey { return ed25519.PublicKey(b) }

//go:embed report.html
var pages embed.FS

var page = template.Must(template.New("report.html").Funcs(template.FuncMap{"plain": plain, "utc": utc}).ParseFS(pages, "report.html"))

var languages = []string{"en", "de"}

// told is a notice with what came after it.
type told struct {
	incident.Note
	After int64
}

// view is what the page shows.
type view struct {
	incident.Incident
	Lang    string
	For     string
	Chart   template.HTML
	Told    []told
	Amounts []string
	Hours   float64
	Looped  []incident.Generations
}

// W is a word of the page in its language.
func (v view) W(en, de string) string {
	if v.Lang == "de" {
		return de
	}
	return en
}

func report(i incident.Incident, counted []incident.Counted, lang, forWhom string) ([]byte, error) {
	v := view{Incident: i, Lang: lang, For: forWhom, Chart: chart(i, counted), Amounts: amounts(i)}
	for _, n := range i.Notices() {
		v.Told = append(v.Told, told{n, after(n, counted)})
	}
	for _, c := range i.Costs {
		v.Hours += c.Hours
	}
	for _, g := range i.Claims.Generations {
		for n := range g.Passes {
			if n > 1 {
				v.Looped = append(v.Looped, g)
				break
			}
		}
	}
	v.Claims.Hops = i.Claims.Hops[:min(len(i.Claims.Hops), 30)]
	var b bytes.Buffer
	err := page.Execute(&b, v)
	return b.Bytes(), err
}

// Sizes of the chart, and what it shows.
const (
	chartWidth, chartHeight = 720, 200
	chartBars               = 120
	chartServers            = 5 // each with a colour of its own
)

var colours = []string{"#1b4f8a", "#c05a00", "#3a7d34", "#8a2d62", "#6b6b00", "#888888"}

// chart draws the copies by time and server.
func chart(i incident.Incident, counted []incident.Counted) template.HTML {
	if len(counted) == 0 {
		return ""
	}
	first, last := counted[0].Minute, counted[len(counted)-1].Minute
	span := max(time.Minute, (last.Sub(first)/chartBars + time.Minute).Truncate(time.Minute))
	bars := int(last.Sub(first)/span) + 1
	var top []string
	for _, s := range i.Servers[:min(len(i.Servers), chartServers)] {
		top = append(top, s.Client.String())
	}
	of := make([][]int64, bars)
	var most int64 = 1
	for n := range of {
		of[n] = make([]int64, chartServers+1)
	}
	for _, c := range counted {
		if c.Consequence {
			continue
		}
		bar, server := of[int(c.Minute.Sub(first)/span)], slices.Index(top, c.Client.String())
		if server < 0 {
			server = chartServers
		}
		bar[server] += c.Copies
		var sum int64
		for _, n := range bar {
			sum += n
		}
		most = max(most, sum)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg role="img" viewBox="0 0 %d %d" width="100%%" aria-label="copies by time and server">`, chartWidth, chartHeight+30)
	width := float64(chartWidth) / float64(bars)
	for n, bar := range of {
		y := float64(chartHeight)
		for server, copies := range bar {
			if copies == 0 {
				continue
			}
			h := float64(chartHeight) * float64(copies) / float64(most)
			y -= h
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, float64(n)*width, y, max(width-0.5, 0.5), h, colours[server])
		}
	}
	fmt.Fprintf(&b, `<text x="0" y="12" font-size="11">%d</text><text x="0" y="%d" font-size="11">%s</text><text x="%d" y="%d" font-size="11" text-anchor="end">%s</text></svg>`,
		most, chartHeight+20, utc(first), chartWidth, chartHeight+20, utc(last))
	for n, name := range top {
		fmt.Fprintf(&b, `<p class="key"><svg width="12" height="12"><rect width="12" height="12" fill="%s"/></svg> %s</p>`, colours[n], template.HTMLEscapeString(plain(name)))
	}
	return template.HTML(b.String()) // of numbers, and one escaped name
}
