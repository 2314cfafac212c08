package daemon

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"breakwater/internal/classify"
	"breakwater/internal/milterd"
	"breakwater/internal/rules"
)

// metrics is what /metrics shows.
type metrics struct {
	registry  *prometheus.Registry
	decisions *prometheus.CounterVec
	observed  *prometheus.CounterVec
	refusals  prometheus.Counter
	errors    prometheus.Counter
	seconds   prometheus.Histogram
	bytes     prometheus.Counter
	reloads   *prometheus.CounterVec
	expired   prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "breakwater_decisions_total", Help: "Decisions, one for each recipient of each message.",
		}, []string{"class", "action"}),
		observed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "breakwater_observed_total", Help: "What would have been decided where mode = \"observe\" delivers instead.",
		}, []string{"class", "action"}),
		refusals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_refused_recipients_total", Help: "Recipients refused as soon as they were named.",
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_errors_total", Help: "Messages that were handled by on_error.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "breakwater_message_seconds", Help: "Time from the end of a message to its answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 3},
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_message_bytes_total", Help: "Bytes of all messages seen.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "breakwater_expired_copies_total", Help: "Absorbed copies that were erased since.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "breakwater_rules_reloads_total", Help: "Attempts to reload the rule files.",
		}, []string{"result"}),
	}
	m.registry.MustRegister(m.decisions, m.observed, m.refusals, m.errors, m.seconds, m.bytes, m.reloads, m.expired,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// All series are there from the start, so that a rate is never missing its first step.
	for _, c := range classify.Classes {
		for _, a := range rules.Actions {
			m.decisions.WithLabelValues(string(c), string(a))
			if a != rules.Deliver {
				m.observed.WithLabelValues(string(c), string(a))
			}
		}
	}
	m.reloads.WithLabelValues("ok")
	m.reloads.WithLabelValues("error")
	return m
}

// ruleMetrics shows what was found in the rule files.
type ruleMetrics struct{ d *Daemon }

var (
	rulesOK    = prometheus.NewDesc("breakwater_rules_ok", "1 while a rule file is in force as it is; 0 while it is broken and something else stands in for it.", []string{"file"}, nil)
	rulesSince = prometheus.NewDesc("breakwater_rules_loaded_timestamp_seconds", "When the rule files were read last.", nil, nil)
)

// Describe is prometheus.Collector's.
func (ruleMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- rulesOK
	to <- rulesSince
}

// Collect is prometheus.Collector's.
func (m ruleMetrics) Collect(to chan<- prometheus.Metric) {
	l := m.d.loaded.Load()
	for _, f := range l.files {
		to <- prometheus.MustNewConstMetric(rulesOK, prometheus.GaugeValue, ok(f.Broken), strings.ToValidUTF8(f.Name, "?"))
	}
	to <- prometheus.MustNewConstMetric(rulesSince, prometheus.GaugeValue, float64(l.at.UnixNano())/1e9)
}

// gauge adds a value that is asked for when metrics are read.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// counter adds a count that is asked for when metrics are read. Its name ends in _total.
func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// record counts one message, or one recipient that was refused at RCPT.
func (m *metrics) record(o milterd.Outcome) {
	if o.AtRCPT {
		m.refusals.Inc()
		return
	}
	for _, d := range o.Decisions {
		m.decisions.WithLabelValues(string(d.Class), string(d.Action)).Inc()
		if d.Observed {
			m.observed.WithLabelValues(string(d.Class), string(d.Wanted)).Inc()
		}
	}
	if o.Err != nil {
		m.errors.Inc()
	}
	m.seconds.Observe(o.Took.Seconds())
	m.bytes.Add(float64(len(o.Message.Raw)))
}
