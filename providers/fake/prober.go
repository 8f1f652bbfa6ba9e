package fake

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// prober is providers.Prober.
type prober struct{ w *World }

var _ providers.Prober = prober{}

func (p prober) Probe(ctx context.Context, q providers.ProbeRequest) (out providers.ProbeResult, err error) {
	err = p.w.run(ctx, look("prober.Probe", q.Service, string(q.Slot)), func() error {
		out = p.w.probe(q)
		return nil
	})
	return out, err
}

func (p prober) Holder(ctx context.Context, port int) (out string, err error) {
	err = p.w.run(ctx, look("prober.Holder", strconv.Itoa(port)), func() error {
		out = p.w.holder(port)
		return nil
	})
	return out, err
}

func (w *World) probe(q providers.ProbeRequest) providers.ProbeResult {
	u := w.unit(q.Service, q.Slot)
	running := u != nil && w.ready(u)
	switch q.Type {
	case v1.HealthNone, v1.HealthNotify:
		if !running {
			return unwell(q, "NotRunning", "the unit is not active")
		}
		return providers.ProbeResult{OK: true}
	case v1.HealthExec:
		return w.check(u, q)
	}
	switch {
	case !running || !w.listens(u) || u.process.port != q.Port:
		// Looked for only here: it reads every unit, and a no-op pass probes a thousand.
		if holder := w.holder(q.Port); holder != "" && (u == nil || holder != v1.UnitName(u.service, u.slot)) {
			return unwell(q, "PortTaken", "held by "+holder)
		}
		return unwell(q, "ConnectionRefused", "connection refused")
	case q.ControlGroup != "" && q.ControlGroup != u.process.group:
		return unwell(q, "PortTaken", "held by another control group")
	case q.Type == v1.HealthTCP:
		return providers.ProbeResult{OK: true, URL: url(q), Answer: "accepted"}
	}
	status := u.process.statusCode()
	answer := strconv.Itoa(status) + " " + http.StatusText(status)
	if !wanted(q.Health, status) {
		return unwell(q, "WrongStatus", answer)
	}
	return providers.ProbeResult{OK: true, URL: url(q), Answer: answer}
}

// check runs the program's health command.
func (w *World) check(u *Unit, q providers.ProbeRequest) providers.ProbeResult {
	switch {
	case u == nil || u.process == nil || u.process.program.CheckStatus == 0 && !w.well(u):
		return unwell(q, "ExecFailed", "exit status 1")
	case u.process.program.CheckHangs:
		return unwell(q, "TimedOut", fmt.Sprintf("no exit within %s", q.Health.Timeout))
	case u.process.program.CheckStatus != 0:
		return unwell(q, "ExecFailed", fmt.Sprintf("exit status %d", u.process.program.CheckStatus))
	}
	return providers.ProbeResult{OK: true, Answer: "exit status 0"}
}

// wanted: the status that was asked for; with a path 2xx and 3xx; else all below 500.
func wanted(h v1.Health, status int) bool {
	switch {
	case h.Status != 0:
		return status == h.Status
	case h.Path != "":
		return status >= 200 && status < 400
	}
	return status < 500
}

func unwell(q providers.ProbeRequest, reason, answer string) providers.ProbeResult {
	return providers.ProbeResult{Reason: reason, URL: url(q), Answer: answer}
}

func url(q providers.ProbeRequest) string {
	switch q.Type {
	case v1.HealthTCP:
		return "tcp://" + address(q.Port)
	case v1.HealthHTTP:
		path := q.Health.Path
		if path == "" {
			path = "/"
		}
		return "http://127.0.0.1:" + strconv.Itoa(q.Port) + path
	}
	return ""
}
