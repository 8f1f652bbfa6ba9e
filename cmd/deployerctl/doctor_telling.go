package main

import (
	"context"
	"strings"

	v1 "deployer/api/v1"
	"deployer/controllers/report"
	"deployer/providers/messenger"
)

// report tries to write this host's report, as the daemon does, without changing it.
func (d *doctor) report(ctx context.Context) []finding {
	key := v1.ReportKey(d.Name)
	if !d.Config.Report {
		return []finding{ok("report", "off: other hosts and `deploy-manifest status` do not hear of this one (report: false)")}
	}
	if err := report.Try(ctx, d.Objects, d.Name); err != nil {
		return []finding{bad("report", "let this host's user of the store write "+key+", or set `report: false`",
			"%s cannot be written: %v", key, err)}
	}
	return []finding{ok("report", "%s can be written", key)}
}

// notify looks at the targets of notifications, and sends them nothing. What does not even
// parse is said by the check of the configuration.
func (d *doctor) notify(context.Context) []finding {
	n := d.Config.Notify
	messengers, err := n.Messengers()
	switch {
	case err != nil:
		return []finding{bad("notify", "mend it in the configuration", "%v", err)}
	case len(messengers) == 0:
		return []finding{ok("notify", "nobody hears of what goes wrong here (notify is empty)")}
	}
	var out []finding
	if len(n.Command) > 0 {
		out = append(out, notifyCommand(n.Command[0]))
	}
	if n.Webhook != "" {
		out = append(out, ok("notify", "the %s is told", messengers[len(messengers)-1].Name()))
	}
	return out
}

// notifyCommand is for a program that the daemon runs inside its sandbox, which has a /tmp of
// its own.
func notifyCommand(program string) finding {
	if err := messenger.CheckProgram(program); err != nil {
		return bad("notify", "correct notify.command in the configuration, or chmod +x the program", "notify.command: %v", err)
	}
	for _, private := range []string{"/tmp/", "/var/tmp/"} {
		if strings.HasPrefix(program, private) {
			return bad("notify", "put the program elsewhere, for example into /usr/local/bin",
				"notify.command: the daemon does not see %s, for it has a %s of its own", program, strings.TrimSuffix(private, "/"))
		}
	}
	return ok("notify", "%s is run", program)
}
