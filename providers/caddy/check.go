package caddy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"deployer/providers"
)

// Finding is one line of `deployerctl doctor`.
type Finding struct {
	// Name is short and stable: caddy, caddy version, caddy admin, ….
	Name string
	OK   bool
	// Message says what was found; Remedy what to do, when it is not OK.
	Message, Remedy string
}

// Check looks at what a person should know about this Caddy. It changes nothing. When
// Caddy cannot be reached that is the only finding.
func (c *Client) Check(ctx context.Context) []Finding {
	snap, err := c.readNow(ctx)
	if providers.ReasonOf(err) == reasonTooOld {
		return []Finding{c.checkVersion(ctx)}
	}
	if err != nil {
		return []Finding{{Name: "caddy", Message: err.Error(), Remedy: "look at systemctl status caddy, and at caddy.admin in /etc/biz-deployer/config.yaml"}}
	}
	return []Finding{
		{Name: "caddy", OK: true, Message: "its admin API answers at " + c.admin.name},
		c.checkVersion(ctx),
		c.checkAdmin(),
		c.checkResume(ctx),
		c.checkServer(snap),
	}
}

func (c *Client) checkVersion(ctx context.Context) Finding {
	v := c.Version(ctx)
	f := Finding{Name: "caddy version", Message: "Caddy " + v, OK: true}
	switch {
	case v == "":
		f.OK, f.Message = false, "the version of Caddy is unknown"
		f.Remedy = "run caddy version: " + MinVersion + " or newer is needed"
	case older(v, MinVersion):
		f.OK, f.Message = false, tooOld(v)
		f.Remedy = "upgrade Caddy to " + MinVersion + " or newer"
	}
	return f
}

func (c *Client) checkAdmin() Finding {
	if c.admin.network == "unix" {
		return Finding{Name: "caddy admin", OK: true, Message: "its admin API is a unix socket"}
	}
	return Finding{
		Name:    "caddy admin",
		Message: "its admin API listens on TCP: any local user, and any service, can rewrite all routes",
		Remedy:  `set "admin": {"listen": "unix//run/caddy/admin.sock|0600"} in Caddy's configuration and caddy.admin in ours`,
	}
}

// checkResume: without --resume a restart of Caddy forgets our routes until we write
// them again.
func (c *Client) checkResume(ctx context.Context) Finding {
	f := Finding{Name: "caddy resume"}
	p, err := c.admin.process(ctx)
	if err != nil {
		f.Message, f.Remedy = "how Caddy was started is unknown", "make sure that it is run with --resume"
		return f
	}
	args, err := p.arguments()
	switch {
	case err != nil:
		f.Message, f.Remedy = "how Caddy was started is unknown", "make sure that it is run with --resume"
	case slices.ContainsFunc(args, func(a string) bool {
		return strings.TrimLeft(a, "-") == "resume" || strings.TrimLeft(a, "-") == "resume=true"
	}):
		f.OK, f.Message = true, "it keeps its routes over a restart (--resume)"
	default:
		f.Message = fmt.Sprintf("it runs without --resume (caddy %s): after a restart or a reload it has no route of ours until biz-deployer writes them again",
			strings.Join(args, " "))
		f.Remedy = "`deployerctl install` brings a unit with it, or use caddy-api.service, or run: caddy run --resume"
	}
	return f
}

func (c *Client) checkServer(snap *snapshot) Finding {
	f := Finding{Name: "caddy server"}
	t, err := c.opts.target(snap)
	switch {
	case err != nil:
		f.Message, f.Remedy = err.Error(), "name one of Caddy's servers in caddy.server of /etc/biz-deployer/config.yaml"
	case !t.exists:
		f.OK = true
		f.Message = fmt.Sprintf("no server listens on %s yet: the first route creates %s", strings.Join(c.opts.Listen, " "), t.name)
	default:
		f.OK, f.Message = true, "our routes are in server "+t.name
	}
	return f
}
