package tell_test

import (
	"time"

	v1 "deployer/api/v1"
	"deployer/controllers/tell"
)

// Situations of a service as a host reports them, by the name of their golden file.

var now = time.Date(2026, 11, 26, 3, 4, 5, 0, time.UTC)

const (
	oldRelease, newRelease   = "1kd8qv3m0a5c", "1lt2kb4ngvs1"
	oldInstance, newInstance = oldRelease + "-none", newRelease + "-none"
	unitLine                 = "2026-11-26T02:51:55.120Z systemd[1]: web.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED"
)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func before() v1.Target {
	return v1.Target{Revision: oldRelease, Instance: oldInstance, StorePath: "/nix/store/v5zs0l1q8m4bznb7pjqxy3k2cd9wf6ha-web-1.2", Commit: "0d9f8b7c6a5e4d3c2b1a"}
}

func after() v1.Target {
	return v1.Target{Revision: newRelease, Instance: newInstance, StorePath: "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.3", Commit: "3f2a9c1d7b2e4f6a8c0d"}
}

// web is a service with http that has been as wanted for two hours.
func web() tell.Facts {
	return tell.Facts{
		Service: "web", Host: "biz",
		Manifest: tell.Head{
			Store: "s3://acme", Generation: 41, UpdatedAt: ago(130 * time.Minute), UpdatedBy: "bob@laptop", Message: "new prices",
		},
		State: &v1.ServiceState{
			Name: "web", State: v1.Settled, Sync: v1.Synced, Health: v1.Healthy, Reason: "AsWanted", Message: "runs " + oldInstance,
			Desired: before(), Serving: before(), Route: "www.example.com/", Since: ago(2 * time.Hour),
			Strategy: v1.StrategyOverlap, StrategyReason: "it takes its port from PORT and has no stateDirectory",
		},
		Verdicts: []v1.Verdict{{Instance: oldInstance, Result: v1.VerdictSoaked, At: ago(2 * time.Hour), Reason: "Soaked"}},
		Deployments: []v1.Deployment{{
			Service: "web", Target: before(), Generation: 41, By: "bob@laptop", Message: "new prices", Strategy: v1.StrategyOverlap,
			Began: ago(121 * time.Minute), LiveAt: ago(121*time.Minute - 4*time.Second), EndedAt: ago(2 * time.Hour), Outcome: v1.OutcomeSettled,
		}},
	}
}

// tried is web with a newer release that this host began with 13 minutes ago.
func tried(change func(*tell.Facts)) tell.Facts {
	f := web()
	f.Manifest.Generation, f.Manifest.UpdatedAt, f.Manifest.UpdatedBy, f.Manifest.Message = 42, ago(13*time.Minute), "ann@laptop", "fix the login"
	f.State.Desired, f.State.Since = after(), ago(12*time.Minute)
	began := ago(13*time.Minute - 2*time.Second)
	f.Deployments = append([]v1.Deployment{{
		Service: "web", Target: after(), Before: before(), Generation: 42, By: "ann@laptop", Message: "fix the login", Strategy: v1.StrategyOverlap,
		Changed: []string{"storePath", "env.AREA"}, Began: began, Outcome: v1.OutcomeRolling,
	}}, f.Deployments...)
	f.Events = []v1.Event{step(began, "root", "Rooting", "the closure has no GC root web-"+newRelease)}
	change(&f)
	return f
}

func step(t time.Time, step, reason, message string) v1.Event {
	return v1.Event{Time: t, Service: "web", Revision: newRelease, Step: step, Type: v1.EventNormal, Reason: reason, Message: message}
}

func stepOf(revision string, t time.Time, name, reason, message string) v1.Event {
	e := step(t, name, reason, message)
	e.Revision = revision
	return e
}

func transition(t time.Time, reason, message string) v1.Event {
	return v1.Event{Time: t, Service: "web", Revision: newRelease, Type: v1.EventWarning, Reason: reason, Message: message}
}

// rolledBack is a release that was judged bad a minute after it began.
func rolledBack(reason, message string, e *v1.Evidence) tell.Facts {
	return tried(func(f *tell.Facts) {
		at := ago(12 * time.Minute)
		f.State.State, f.State.Sync, f.State.Reason = v1.Stalled, v1.OutOfSync, "RolledBack"
		f.State.Message = "1lt2kb4ngvs1 was rolled back: " + message
		f.State.Serving, f.State.Evidence = before(), e
		f.Verdicts = append([]v1.Verdict{{Instance: newInstance, Result: v1.VerdictBad, At: at, Reason: reason, Message: message, Evidence: e}}, f.Verdicts...)
		d := &f.Deployments[0]
		d.EndedAt, d.Outcome, d.Reason, d.Detail = at, v1.OutcomeRolledBack, reason, message
		f.Events = append(f.Events,
			step(d.Began.Add(time.Second), "pull", "Pulling", "the closure is not on this host"),
			step(d.Began.Add(4*time.Second), "stage", "Staging", "there is no release directory "+newInstance),
			step(d.Began.Add(4*time.Second), "install", "Installing", "in the standby slot: the standby slot is free for it"),
			step(d.Began.Add(4*time.Second), "start", "Starting", "in the standby slot: its unit is inactive"),
			step(d.Began.Add(5*time.Second), "health", "AwaitingHealth", "in the standby slot: http://127.0.0.1:30417/healthz answers: connection refused"),
			step(at, "condemn", "JudgedBad", "in the standby slot: "+message),
			stepOf(oldRelease, at, "retire", "Retiring", "in the standby slot: the standby slot is not needed any more"),
			stepOf(oldRelease, at, "start", "Starting", "its unit is inactive"),
			transition(at.Add(time.Second), "Stalled", message),
		)
	})
}

func exited() *v1.Evidence {
	status := 3
	return &v1.Evidence{
		ExitStatus: &status, ProbeURL: "http://127.0.0.1:30417/healthz", ProbeAnswer: "connection refused",
		Log: []string{
			"2026-11-26T02:51:55.001Z web[4711]: starting, version 1.3",
			"2026-11-26T02:51:55.090Z web[4711]: panic: no database at DATABASE_URL",
			unitLine,
		},
	}
}

const exitedMessage = newRelease + " ended by itself after it was started (exit status 3); look at `deployerctl logs web`, and push a fix or roll back"

// firstEver is the first release of a worker, and it is bad.
func firstEver() tell.Facts {
	f := rolledBack("Exited", exitedMessage, exited())
	f.State.Reason, f.State.Message, f.State.Serving, f.State.Route = "Exited", exitedMessage, v1.Target{}, ""
	f.State.Health, f.State.Strategy, f.State.StrategyReason = v1.Failed, v1.StrategyReplace, "it has no http"
	f.Verdicts, f.Deployments = f.Verdicts[:1], f.Deployments[:1]
	f.Deployments[0].Before, f.Deployments[0].Changed, f.Deployments[0].Outcome = v1.Target{}, nil, v1.OutcomeFailed
	return f
}

// stuck is a release that something of the world keeps from getting on.
func stuck(state v1.State, reason, message string) tell.Facts {
	return tried(func(f *tell.Facts) {
		f.State.State, f.State.Sync, f.State.Reason, f.State.Message, f.State.Failures = state, v1.OutOfSync, reason, message, 5
		f.Events = append(f.Events, transition(ago(12*time.Minute), reason, message))
	})
}

func changed(change func(*tell.Facts)) tell.Facts {
	f := web()
	change(&f)
	return f
}

func situations() map[string]tell.Facts {
	until := now.Add(2*time.Hour - time.Minute)
	stale := ago(3 * time.Minute)
	removal := &v1.Removal{Name: "web", Generation: 43, By: "ann@laptop"}
	flapped := &v1.Evidence{Signal: "SEGV", Log: []string{"2026-11-26T02:51:55.001Z web[4711]: starting, version 1.3", unitLine}}
	return map[string]tell.Facts{
		"rolled-back-exited": rolledBack("Exited", exitedMessage, exited()),
		"rolled-back-deadline": rolledBack("HealthDeadlineExceeded", newRelease+" was not well for 1m", &v1.Evidence{
			ProbeURL: "http://127.0.0.1:30417/healthz", ProbeAnswer: "500 Internal Server Error",
			Log: []string{"2026-11-26T02:51:55.090Z web[4711]: migration 17 is missing"},
		}),
		"rolled-back-flapping": rolledBack("Flapped", newRelease+" was well for 4 s, and then ended", flapped),
		"rolled-back-ill-while-soaking": rolledBack("IllWhileSoaking", newRelease+" was well, and then not any more while it soaked: http://127.0.0.1:8080/healthz answers: 503 Service Unavailable", &v1.Evidence{
			ProbeURL: "http://127.0.0.1:8080/healthz", ProbeAnswer: "503 Service Unavailable",
		}),
		"rolled-back-exec-check": rolledBack("HealthDeadlineExceeded", newRelease+" was not well for 1m", &v1.Evidence{
			ProbeURL: "bin/check", ProbeAnswer: "exit status 1: queue unreachable",
		}),
		"rolled-back-not-executable": rolledBack("ExecFailed", "start: web-standby.service: the program cannot be executed (missing, not executable, or of another architecture): see `journalctl -u web-standby.service`", nil),
		"rolled-back-never-ready":    rolledBack("NotReady", newRelease+" did not tell systemd that it is ready", nil),
		"rolled-back-other":          rolledBack("SomethingNew", "", nil),
		"rolled-back-and-the-last-one-ill-too": func() tell.Facts {
			f := rolledBack("Exited", exitedMessage, exited())
			f.State.Health = v1.Degraded
			return f
		}(),
		"rolled-back-without-a-daemon": func() tell.Facts {
			f := rolledBack("Exited", exitedMessage, exited())
			f.State.Verdicts, f.Verdicts, f.WrittenAt, f.Down = f.Verdicts, nil, ago(90*time.Second), true
			f.Missing = []string{"reading events.jsonl: permission denied"}
			f.Events = nil
			return f
		}(),
		"rolled-back-other-secrets": func() tell.Facts {
			f := rolledBack("Exited", exitedMessage, exited())
			same := after()
			same.Instance = newRelease + "-9f8e7d6c5b"
			f.State.Desired.Instance = ""
			f.State.Serving, f.Deployments[0].Before, f.Deployments[0].Changed = same, same, []string{"secrets"}
			f.Verdicts[1].Instance = same.Instance
			return f
		}(),
		"rolling-back": func() tell.Facts {
			f := rolledBack("Exited", exitedMessage, exited())
			f.State.State, f.State.Reason = v1.Reverting, "Exited"
			return f
		}(),
		"first-release-bad": firstEver(),
		"rolling": tried(func(f *tell.Facts) {
			f.State.State, f.State.Sync, f.State.Health = v1.Rolling, v1.OutOfSync, v1.Progressing
			f.State.Reason, f.State.Message, f.State.Since = "AwaitingHealth", "in the standby slot: http://127.0.0.1:30417/healthz answers: 503 Service Unavailable", ago(12*time.Second)
		}),
		"closure-missing": stuck(v1.Rolling, "ClosureMissing", "pull: "+after().StorePath+" is in no cache: push it with deploy-push"),
		"secrets-missing": stuck(v1.Stalled, "SecretsMissing", "/var/lib/biz-secrets/web.env is missing: write it, owner root, mode 0600"),
		"port-taken":      stuck(v1.Stalled, "PortTaken", "health: "+newRelease+" cannot listen on 8080: nginx (pid 7) listens there; stop that program, or change http.internalPort"),
		"caddy-down": changed(func(f *tell.Facts) {
			f.State.Sync, f.State.Reason, f.State.Failures = v1.SyncUnknown, "CaddyUnreachable", 2
			f.State.Message = "observing the route: reading the route of web: Caddy does not answer at unix//run/caddy/admin.sock: `systemctl status caddy`: unavailable: dial unix: no such file"
		}),
		"held-on-this-host": changed(func(f *tell.Facts) {
			f.HostHold = &v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until}
			f.State.State, f.State.Sync, f.State.Reason = v1.HeldState, v1.Held, "Held"
			f.State.Message = "held by ann@biz until 2026-11-26 05:03 UTC: load test; not done meanwhile: the unit differs: drop-in override.conf"
			hold := *f.HostHold
			f.State.Hold = &hold
		}),
		"held-twice": changed(func(f *tell.Facts) {
			f.HostHold = &v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until}
			f.State.State, f.State.Sync, f.State.Reason = v1.HeldState, v1.Held, "Held"
			f.State.Hold = &v1.Hold{Owner: "bob@laptop", Reason: "the database moves", Forever: true}
		}),
		"held-in-the-manifest": changed(func(f *tell.Facts) {
			f.State.State, f.State.Sync, f.State.Reason = v1.HeldState, v1.Held, "Held"
			f.State.Hold = &v1.Hold{Owner: "bob@laptop", Reason: "the database moves", Forever: true}
		}),
		"held-soon": tried(func(f *tell.Facts) {
			f.State.State, f.State.Sync, f.State.Health, f.State.Reason, f.State.Message = v1.Rolling, v1.OutOfSync, v1.Progressing, "Soaking", "it has not been well for 10s yet"
			f.State.Hold = &v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until}
			f.Events = append(f.Events, v1.Event{Time: ago(time.Minute), Service: "web", Reason: "Held", Message: "held by ann@biz until 2026-11-26 05:03 UTC: load test"})
		}),
		"soaking": tried(func(f *tell.Facts) {
			f.State.State, f.State.Sync, f.State.Health, f.State.Reason, f.State.Message = v1.Rolling, v1.OutOfSync, v1.Progressing, "Soaking", "it has not been well for 10s yet"
			f.State.Serving, f.State.Since = after(), ago(300*time.Millisecond)
		}),
		"held-by-the-fleet": changed(func(f *tell.Facts) {
			f.Deployments = f.Deployments[1:]
			f.State.Desired, f.State.State, f.State.Sync, f.State.Reason = after(), v1.Waiting, v1.OutOfSync, "HeldByFleet"
			f.State.Message = newRelease + " was bad on ava (Exited: it ended by itself), so it is not started here; push a fix"
		}),
		"waiting-for-a-release": {
			Service: "web", Host: "biz", Manifest: tell.Head{Generation: 40, UpdatedBy: "ann@laptop", UpdatedAt: ago(time.Minute)},
			State: &v1.ServiceState{
				Name: "web", State: v1.Waiting, Sync: v1.Synced, Health: v1.HealthUnknown, Reason: "NoRelease", Since: ago(time.Minute),
				Message: "no release yet: push one with `deploy-push web STORE_PATH`", Route: "www.example.com/",
			},
		},
		"settled":                       web(),
		"settled-without-a-daemon":      changed(func(f *tell.Facts) { f.WrittenAt, f.Down = ago(time.Hour), true }),
		"settled-and-not-for-everybody": changed(func(f *tell.Facts) { f.WrittenAt = ago(time.Second) }),
		"settled-but-somebody-else-manages-it": changed(func(f *tell.Facts) {
			f.State.Healed = &v1.Healed{Count: 3, Last: ago(20 * time.Second), What: "drop-in override.conf"}
		}),
		"ill": changed(func(f *tell.Facts) {
			f.State.Health, f.State.Reason, f.State.Message = v1.Degraded, "BadAnswer", "http://127.0.0.1:8080/healthz answers: 502 Bad Gateway"
		}),
		"stale-store": changed(func(f *tell.Facts) {
			f.Manifest.StaleSince, f.Manifest.Problem = &stale, "the store s3://acme does not answer: no route to host"
		}),
		"removing": changed(func(f *tell.Facts) {
			f.State.State, f.State.Sync, f.State.Reason, f.State.Message = v1.Removing, v1.OutOfSync, "Stopping", "web.service is active"
			f.State.Desired, f.Manifest.Removal, f.Manifest.Generation = v1.Target{}, removal, 43
		}),
		"removed": changed(func(f *tell.Facts) {
			f.State, f.Verdicts, f.Manifest.Removal, f.Manifest.Generation = nil, nil, removal, 43
			f.Events = []v1.Event{
				step(ago(61*time.Minute), "stop", "Stopping", "web.service is active"),
				{Time: ago(time.Hour), Service: "web", Type: v1.EventNormal, Reason: "Removed", Message: "nothing of web is left on this host"},
			}
		}),
		"unlisted": changed(func(f *tell.Facts) {
			f.State.State, f.State.Sync, f.State.Reason, f.State.Desired = v1.Unlisted, v1.SyncUnknown, "NotInManifest", v1.Target{}
			f.State.Message = "the manifest does not mention it, so it is left as it is"
		}),
		"not-observed": changed(func(f *tell.Facts) {
			f.State.Sync, f.State.Health, f.State.Reason = v1.SyncUnknown, v1.HealthUnknown, "SystemdUnavailable"
			f.State.Message, f.State.Failures = "systemd does not answer on its private socket", 3
		}),
		"not-looked-at": {
			Service: "web", Host: "biz",
			State: &v1.ServiceState{Name: "web", State: v1.Rolling, Sync: v1.SyncUnknown, Health: v1.HealthUnknown, Reason: "NotLookedAt", Since: now},
		},
	}
}
