package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"deployer/controllers"
	"deployer/reconcile"
)

// metrics are what Prometheus sees.
type metrics struct {
	registry *prometheus.Registry
	passes   *prometheus.CounterVec
	passTime *prometheus.HistogramVec
	depth    *prometheus.GaugeVec
	stepTime *prometheus.HistogramVec
}

var _ reconcile.Metrics = (*metrics)(nil)

func newMetrics() *metrics {
	buckets := []float64{.001, .005, .025, .1, .5, 1, 5, 30, 120, 600}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		passes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "deployer_reconciles_total", Help: "Passes by result.",
		}, []string{"controller", "result"}),
		passTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "deployer_reconcile_duration_seconds", Help: "How long passes take.", Buckets: buckets,
		}, []string{"controller"}),
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "deployer_queue_depth", Help: "Names that wait for a worker.",
		}, []string{"controller"}),
		stepTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "deployer_step_duration_seconds", Help: "How long steps take.", Buckets: buckets,
		}, []string{"step", "result"}),
	}
	m.registry.MustRegister(m.passes, m.passTime, m.depth, m.stepTime,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) PassDone(controller, result string, d time.Duration) {
	m.passes.WithLabelValues(controller, result).Inc()
	m.passTime.WithLabelValues(controller).Observe(d.Seconds())
}

func (m *metrics) QueueDepth(controller string, names int) {
	m.depth.WithLabelValues(controller).Set(float64(names))
}

// OldestAge is read at the moment of a scrape instead; see watch.
func (m *metrics) OldestAge(string, time.Duration) {}

// stepDone is the controllers' OnStep.
func (m *metrics) stepDone(step string, took time.Duration, err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	m.stepTime.WithLabelValues(step, result).Observe(took.Seconds())
}

// watch adds what is read at the moment of a scrape.
func (m *metrics) watch(set *controllers.Set) { m.registry.MustRegister(hostCollector{set}) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// hostCollector tells of the state of the host.
type hostCollector struct{ set *controllers.Set }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe sends nothing: the collector is unchecked, its series come and go with services.
func (hostCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state.
func (h hostCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	_, oldest := h.set.Engine.Queued()
	gauge(desc("deployer_queue_oldest_seconds", "How long the first name in the queue has been waiting."), oldest.Seconds())
	state := h.set.Board.Snapshot()
	gauge(desc("deployer_manifest_generation", "Generation of the manifest in force."), float64(state.ObservedGeneration))
	if !state.Manifest.LastRead.IsZero() {
		gauge(desc("deployer_manifest_age_seconds", "Time since the store last answered about the manifest."),
			time.Since(state.Manifest.LastRead).Seconds())
	}
	service := desc("deployer_service_state", "1 for the present state of each service.", "service", "state", "sync", "health")
	for _, s := range state.Services {
		gauge(service, 1, s.Name, string(s.State), string(s.Sync), string(s.Health))
	}
}
