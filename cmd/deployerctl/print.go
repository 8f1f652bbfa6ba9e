package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/tell"
	"deployer/controllers/verify"
)

func printHost(w io.Writer, state seen) error {
	printHead(w, state)
	switch {
	case len(state.Services) > 0:
	case state.blank():
		fmt.Fprintln(w, "no manifest has been read yet, and none is remembered")
		return nil
	default:
		fmt.Fprintln(w, "no services: the manifest names none for this host; `deploy-manifest add-service` adds one")
		return nil
	}
	t := cli.NewTable(w, "service", "state", "sync", "health", "revision", "commit", "since", "reason")
	for _, s := range state.Services {
		t.AppendRow([]any{
			s.Name, s.State, s.Sync, s.Health, or(s.Serving.Revision, "-"), or(short(s.Serving.Commit), "-"),
			ago(s.Since), reason(s),
		})
	}
	t.Render()
	return nil
}

// printHead tells of the host, and how old what follows is.
func printHead(w io.Writer, state seen) {
	fmt.Fprintf(w, "%s: generation %d of %s\n", state.Host, state.ObservedGeneration, state.Manifest.Store)
	if state.refused {
		fmt.Fprintf(w, "not root: what follows is what the daemon wrote %s ago; sudo asks it\n", ago(state.UpdatedAt))
		return
	}
	if !state.live {
		fmt.Fprintf(w, "THE DAEMON DOES NOT RUN: what follows is %s old; `systemctl start biz-deployer`\n", ago(state.UpdatedAt))
		return
	}
	if c := v1.FindCondition(state.Conditions, v1.Reported); c != nil && c.Status == v1.False && c.Reason != "SwitchedOff" {
		fmt.Fprintf(w, "THE FLEET DOES NOT SEE THIS HOST: %s: %s\n", c.Reason, c.Message)
	}
	if c := v1.FindCondition(state.Conditions, v1.StoreVerified); c != nil && c.Reason != verify.Verified {
		heading := map[v1.ConditionStatus]string{v1.True: "repaired", v1.False: "ALTERED", v1.Unknown: "NOT VERIFIED"}[c.Status]
		fmt.Fprintf(w, "STORE %s: %s\n", heading, c.Message)
	}
	if state.Manifest.StaleSince != nil {
		c := v1.FindCondition(state.Conditions, "ManifestRead")
		message := "the store does not answer"
		if c != nil && c.Message != "" {
			message = c.Reason + ": " + c.Message
		}
		fmt.Fprintf(w, "MANIFEST STALE for %s: %s\n", ago(*state.Manifest.StaleSince), message)
	}
}

// reason is empty for a service that is as wanted.
func reason(s v1.ServiceState) string {
	if s.State == v1.Settled && s.Sync == v1.Synced && s.Health == v1.Healthy {
		if s.Healed == nil {
			return ""
		}
		return shortened(tell.Healed(*s.Healed, time.Now()))
	}
	text := s.Reason
	if s.Message != "" {
		text += ": " + tell.Brief(s.Message)
	}
	return shortened(text)
}

// shortened is for a column of a table.
func shortened(text string) string {
	const widest = 100
	text = strings.ReplaceAll(text, "\n", " ")
	if len([]rune(text)) > widest {
		text = string([]rune(text)[:widest-1]) + "…"
	}
	return text
}

func printService(w io.Writer, state seen, s v1.ServiceState) error {
	printHead(w, state)
	fmt.Fprintf(w, "\n%s is %s: %s, %s, for %s\n", s.Name, s.State, s.Sync, s.Health, ago(s.Since))
	if text := or(s.Message, s.Reason); text != "" {
		fmt.Fprintf(w, "  %s: %s\n", s.Reason, text)
	}
	if s.Failures > 0 {
		fmt.Fprintf(w, "  %d passes in a row have failed\n", s.Failures)
	}
	fmt.Fprintln(w)
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %-10s %s\n", key, value)
		}
	}
	line("wanted", target(s.Desired))
	line("serving", target(s.Serving))
	line("route", s.Route)
	line("upstream", s.Upstream)
	line("strategy", strategy(s.Strategy, s.StrategyReason))
	if s.Hold != nil {
		line("hold", tell.Hold(*s.Hold, time.Now()))
	}
	if s.Healed != nil {
		line("healed", strings.TrimPrefix(tell.Healed(*s.Healed, time.Now()), "healed "))
	}
	for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
		if u, ok := s.Slots[slot]; ok {
			line(string(slot), slotLine(u))
		}
	}
	printConditions(w, s.Conditions)
	printVerdicts(w, s.Verdicts)
	printEvidence(w, s)
	if serviceCode(s) == cli.ExitFailed {
		fmt.Fprintf(w, "\n`deployerctl why %s` tells how it came to that, and what to do\n", s.Name)
	}
	return nil
}

func strategy(name, reason string) string {
	if name != "" && reason != "" {
		return name + ", for " + reason
	}
	return name
}

// printVerdicts lists what was judged and still has a release directory.
func printVerdicts(w io.Writer, verdicts []v1.Verdict) {
	if len(verdicts) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := cli.NewTable(w, "instance", "verdict", "since", "reason")
	for _, v := range verdicts {
		text := v.Reason
		if v.Result == v1.VerdictBad && v.Message != "" {
			text += ": " + tell.Brief(v.Message)
		}
		t.AppendRow([]any{v.Instance, v.Result, ago(v.At), shortened(text)})
	}
	t.Render()
}

func printConditions(w io.Writer, conditions []v1.Condition) {
	if len(conditions) == 0 {
		return
	}
	fmt.Fprintln(w)
	conditions = slices.Clone(conditions)
	slices.SortStableFunc(conditions, func(a, b v1.Condition) int { return place(a) - place(b) })
	t := cli.NewTable(w, "condition", "status", "since", "reason")
	for _, c := range conditions {
		t.AppendRow([]any{c.Type, c.Status, ago(c.LastTransitionTime), c.Reason})
	}
	t.Render()
}

// place orders conditions as the steps of a deployment come, what sums them up last.
func place(c v1.Condition) int {
	order := []string{
		"Rooted", "Pulled", "Staged", "Routed",
		"StandbyInstalled", "StandbyStarted", "StandbyHealthy", "StandbyServing",
		"Drained", "Installed", "Started", "Healthy", "Serving", "Soaked", "Judged", "StandbyDrained", "StandbyRetired", "Pruned",
		"Unrouted", "Stopped", "Uninstalled", "Unrooted", "Forgotten",
		v1.Reconciling, v1.StalledCondition, v1.Ready,
	}
	return slices.Index(order, c.Type)
}

func printEvidence(w io.Writer, s v1.ServiceState) {
	e := s.Evidence
	if e == nil {
		return
	}
	fmt.Fprintln(w)
	if e.ExitStatus != nil {
		fmt.Fprintf(w, "  last exit  status %d\n", *e.ExitStatus)
	}
	if e.Signal != "" {
		fmt.Fprintf(w, "  last exit  signal %s\n", e.Signal)
	}
	if e.ProbeURL != "" {
		fmt.Fprintf(w, "  probe      %s: %s\n", e.ProbeURL, e.ProbeAnswer)
	}
	const most = 20
	if len(e.Log) > 0 {
		fmt.Fprintf(w, "  its last log lines (`deployerctl logs %s` shows more):\n", s.Name)
		for _, l := range e.Log[max(0, len(e.Log)-most):] {
			fmt.Fprintln(w, "    "+l)
		}
	}
}

func slotLine(u v1.SlotState) string {
	parts := []string{u.Unit, u.Active}
	if u.MainPID != 0 {
		parts = append(parts, fmt.Sprintf("pid %d", u.MainPID))
	}
	if !u.Since.IsZero() {
		parts = append(parts, "for "+ago(u.Since))
	}
	if u.Restarts > 0 {
		parts = append(parts, fmt.Sprintf("%d restarts", u.Restarts))
	}
	if u.Memory != nil {
		parts = append(parts, fmt.Sprintf("%.1f MiB", float64(*u.Memory)/(1<<20)))
	}
	return strings.Join(parts, ", ")
}

func target(t v1.Target) string {
	parts := []string{t.Revision, t.StorePath}
	if t.Commit != "" {
		parts = append(parts, "commit "+t.Commit)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "  ")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func short(commit string) string {
	const length = 12
	if len(commit) > length {
		return commit[:length]
	}
	return commit
}

// ago is the time since t in one or two units: 5s, 3m, 2h10m, 4d.
func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(time.Since(t), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
