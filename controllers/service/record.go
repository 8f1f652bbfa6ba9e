package service

import (
	"context"
	"slices"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
)

// record keeps the list of deployments: one begins when the manifest wants an instance that
// was not wanted before, or not tried, and ends with a verdict or with the next one. It is
// for people; nothing depends on it, and what cannot be written is only logged.
func (r *Reconciler) record(ctx context.Context, s *Scope) {
	if r.host.History == nil || s.Assignment.Kind != v1.Assigned || s.Assignment.Revision == "" || s.Hold != nil && s.resting() {
		return
	}
	if !r.readRecord(ctx, s) {
		return
	}
	wanted, ok := s.wantedName()
	if !ok {
		return
	}
	last := s.memory.deployment
	if last == nil || last.Instance != wanted || last.Outcome != v1.OutcomeRolling && last.Outcome != v1.OutcomeSettled && s.verdict(wanted) == "" {
		r.beginDeployment(ctx, s, wanted)
		last = s.memory.deployment
	}
	if last.Outcome != v1.OutcomeRolling {
		return
	}
	now := *last
	s.progress(&now)
	if now.Outcome != last.Outcome || now.LiveAt != last.LiveAt {
		r.saveDeployment(ctx, s, now)
	}
}

// readRecord takes up the record where an earlier daemon left it.
func (r *Reconciler) readRecord(ctx context.Context, s *Scope) bool {
	if s.memory.recordRead {
		return true
	}
	all, err := r.host.History.Deployments(ctx, s.Name)
	if err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "reading the deployments", "service", s.Name)
		return false
	}
	if len(all) > 0 {
		s.memory.deployment = &all[0]
	}
	s.memory.recordRead = true
	return true
}

// wantedName is the instance that the manifest wants, whatever the target is.
func (s *Scope) wantedName() (string, bool) {
	switch {
	case s.Condemned != nil:
		return s.Condemned.Instance, true
	case s.Target != nil && s.Target.Wanted:
		return s.instance(), true
	}
	return "", false
}

func (r *Reconciler) beginDeployment(ctx context.Context, s *Scope, wanted string) {
	now := s.Now.UTC().Round(time.Microsecond)
	if last := s.memory.deployment; last != nil {
		if last.Outcome == v1.OutcomeRolling {
			old := *last
			old.Outcome, old.EndedAt = v1.OutcomeSuperseded, now
			r.saveDeployment(ctx, s, old)
		}
		if !now.After(last.Began) {
			now = last.Began.Add(time.Microsecond) // the newest is the newest, whatever the clock says
		}
	}
	a := s.Assignment
	d := v1.Deployment{
		Service: s.Name, Generation: a.Generation, By: a.By, Message: a.Message, Strategy: s.strategy(),
		Target: v1.Target{Revision: a.Revision, Instance: wanted, StorePath: a.Release.StorePath, Commit: a.Service.Commit},
		Before: servingOf(s), Began: now, Outcome: v1.OutcomeRolling,
	}
	if d.Before.Instance != "" && d.Before.Instance != wanted {
		d.Changed = changesBetween(s, d.Before.Instance)
	}
	r.saveDeployment(ctx, s, d)
}

// changesBetween names the fields in which the wanted release differs from the one that
// serves.
func changesBetween(s *Scope, before string) []string {
	old, ok := s.Facts.Releases.Staged[before]
	if !ok {
		return nil
	}
	out := v1.DiffRelease(old.Release, s.Assignment.Release)
	if old.Instance.Revision == s.Assignment.Revision && old.Instance.Secrets != s.Facts.Secret.Fingerprint {
		out = append(out, "secrets")
	}
	return slices.Compact(out)
}

// progress brings a deployment that goes on up to date.
func (s *Scope) progress(d *v1.Deployment) {
	serving := servingOf(s)
	if d.LiveAt.IsZero() && serving.Instance == d.Instance && (s.Target.port() == 0 || s.live() != "") {
		d.LiveAt = s.Now.UTC()
	}
	switch {
	case s.Condemned != nil:
		v := s.Condemned
		d.Outcome, d.EndedAt, d.Reason, d.Detail = v1.OutcomeFailed, v.At.UTC(), v.Reason, v.Message
		if s.Target != nil {
			d.Outcome = v1.OutcomeRolledBack
		}
	case s.soaked(d.Instance) && s.settledNow():
		d.Outcome, d.EndedAt = v1.OutcomeSettled, s.Now.UTC()
	}
}

func (r *Reconciler) saveDeployment(ctx context.Context, s *Scope, d v1.Deployment) {
	s.memory.deployment = &d
	if err := r.host.History.SaveDeployment(ctx, d); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "recording a deployment", "service", s.Name)
	}
}
