package rollout_test

import (
	"maps"
	"time"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

// way is one in which a release is bad.
type way struct {
	what     string
	settings map[string]string
	// edit changes what is no setting of the program.
	edit func(*v1.Service)
	// reason is of the verdict, says is in its message or in the evidence.
	reason, says string
	// live: it is well at first, and gets requests.
	live bool
}

// ways are those in which a release can be bad without taking a request with it: it never gets
// one, or answers it.
func ways() []way {
	return []way{
		{what: "exits at once", settings: set("mode", "exit", "exit-code", "3"), reason: "Exited", says: "exit status 3"},
		{what: "exits after three seconds", settings: set("start-delay", "1m", "exit-after", "3s"), reason: "Exited", says: "exit status 1"},
		{what: "is killed by a signal", settings: set("start-delay", "1m", "exit-after", "300ms", "exit-signal", "KILL"), reason: "Exited", says: "KILL"},
		{what: "never listens", settings: set("mode", "hang"), reason: "HealthDeadlineExceeded", says: "nothing listens"},
		{what: "answers 500 to the health check", settings: set("health-status", "500"), reason: "HealthDeadlineExceeded", says: "500"},
		{what: "answers 404 where the path is named", settings: set("health-status", "404"), reason: "HealthDeadlineExceeded", says: "404"},
		{
			what: "redirects where a 200 is asked for", settings: set("health-redirect", "/elsewhere"), reason: "HealthDeadlineExceeded", says: "302",
			edit: func(s *v1.Service) { s.Health.Status = 200 },
		},
		{what: "takes too long for the health check", settings: set("health-delay", "10s"), reason: "HealthDeadlineExceeded", says: "within the timeout"},
		{what: "never ends its answer to the health check", settings: set("health-body", "stalled"), reason: "HealthDeadlineExceeded", says: "within the timeout"},
		{
			what: "has no such program in its closure", reason: "", says: "bin/none",
			edit: func(s *v1.Service) { s.Exec.Command = v1.Command{"bin/none"} },
		},
		{what: "is well, and then not any more", settings: set("unhealthy-after", "1s"), reason: "IllWhileSoaking", says: "503", live: true},
		{what: "flaps while it soaks", settings: set("health-flaps", "2"), reason: "Flapped", says: "503", live: true},
		{
			what: "fails its health command", settings: set("check-code", "7"), reason: "HealthDeadlineExceeded", says: "7",
			edit: func(s *v1.Service) { s.Health.Path, s.Health.Exec = "", v1.Command{"bin/app", "mode=check"} },
		},
	}
}

func set(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// release is a good one: every other has no graceful end.
func release(service v1.Service, name string, i int, storePaths []string) v1.Service {
	graceful := "yes"
	if i%2 == 1 {
		graceful = "no"
	}
	return stage.Changed(service, stage.Change{
		Release: name, Settings: set("graceful", graceful), StorePath: storePaths[i%len(storePaths)],
	})
}

// spoilt makes a good release bad.
func spoilt(good v1.Service, w way, name string) v1.Service {
	health := *good.Health
	health.Timeout, health.Deadline = v1.Duration(500*time.Millisecond), v1.Duration(2500*time.Millisecond)
	if w.settings["exit-after"] == "3s" {
		health.Deadline = v1.Duration(10 * time.Second)
	}
	good.Health = &health
	bad := stage.Changed(good, stage.Change{Release: name, Settings: maps.Clone(w.settings)})
	if w.live {
		bad.Deploy.Soak = v1.Duration(3 * time.Second)
	}
	if w.edit != nil {
		w.edit(&bad)
	}
	return bad
}
