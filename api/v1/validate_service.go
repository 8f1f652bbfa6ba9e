package v1

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// SecretsDirectory holds the secrets files of a host: envFile is always below it, so that
// nothing else of the host can be read by naming it in the manifest. A secrets manager
// that keeps its files elsewhere (agenix, sops-nix) is told to write them here.
const SecretsDirectory = "/var/lib/biz-secrets"

// Validate lists what is wrong with the service by itself. The path is the service's own;
// nil when there is nothing above it.
func (s *Service) Validate(p *field.Path) field.ErrorList {
	out := checkName(p.Child("name"), s.Name)
	out = append(out, s.Artifact.validate(p.Child("artifact"))...)
	if s.Commit != "" && (len(s.Commit) > 128 || !consistsOf(s.Commit, "-._/+~:@")) {
		out = append(out, problem(p.Child("commit"), "%s is not a revision or tag", quote(s.Commit)))
	}
	out = append(out, s.validateHosts(p)...)
	out = append(out, s.validateExec(p.Child("exec"))...)
	out = append(out, s.validateEnv(p)...)
	out = append(out, s.HTTP.validate(p.Child("http"))...)
	out = append(out, s.validateHealth(p.Child("health"))...)
	out = append(out, s.validateDeploy(p.Child("deploy"))...)
	out = append(out, s.Systemd.validate(p.Child("systemd"))...)
	out = append(out, s.validateHardening(p.Child("hardening"))...)
	out = append(out, s.Resources.validate(p.Child("resources"))...)
	if s.StateDirectory != "" {
		out = append(out, check(p.Child("stateDirectory"), s.StateDirectory, badStateDirectory(s.StateDirectory))...)
	}
	return append(out, s.Hold.validate(p.Child("hold"))...)
}

func (a *Artifact) validate(p *field.Path) field.ErrorList {
	if a == nil {
		return nil
	}
	out := oneOf(p.Child("type"), a.Type, ArtifactTypeNixClosure)
	switch a.StorePath {
	case "":
		out = append(out, missing(p.Child("storePath"), "write "+PlaceholderPath+" for none yet"))
	case PlaceholderPath:
	default:
		out = append(out, check(p.Child("storePath"), a.StorePath, badStorePath(a.StorePath))...)
	}
	if a.NarHash != "" {
		out = append(out, check(p.Child("narHash"), a.NarHash, badNarHash(a.NarHash))...)
	}
	return out
}

func (s *Service) validateHosts(p *field.Path) field.ErrorList {
	at := p.Child("hosts")
	if len(s.Hosts) == 0 {
		return field.ErrorList{missing(at, "name at least one host; remove-service takes a service down")}
	}
	return checkList(at, s.Hosts, badHostName)
}

// checkList checks each element, and that none is there twice.
func checkList(p *field.Path, list []string, bad func(string) string) field.ErrorList {
	var out field.ErrorList
	seen := make(map[string]bool, len(list))
	for i, v := range list {
		out = append(out, check(p.Index(i), v, bad(v))...)
		if seen[v] {
			out = append(out, problem(p.Index(i), "%s is listed twice", quote(v)))
		}
		seen[v] = true
	}
	return out
}

// maxWords is the size of a command with its arguments: escaped four times as long, it
// still fits into the megabyte that systemd reads of a line.
const maxWords = 128 << 10

func (s *Service) validateExec(p *field.Path) field.ErrorList {
	out := checkCommand(p.Child("command"), s.Exec.Command)
	total := 0
	for i, a := range s.Exec.Args {
		out = append(out, checkText(p.Child("args").Index(i), a, maxText)...)
		total += len(a)
	}
	if total > maxWords {
		out = append(out, problem(p.Child("args"), "have %d bytes together; at most %d", total, maxWords))
	}
	if s.Exec.User != "" {
		out = append(out, check(p.Child("user"), s.Exec.User, badUser(s.Exec.User))...)
	}
	if s.Exec.Group != "" {
		out = append(out, check(p.Child("group"), s.Exec.Group, badUser(s.Exec.Group))...)
	}
	return out
}

// checkCommand: the program is below the store path, or a path of its own in the store.
func checkCommand(p *field.Path, c Command) field.ErrorList {
	if len(c) == 0 {
		return nil
	}
	var out field.ErrorList
	total := 0
	for i, word := range c {
		out = append(out, checkText(p.Index(i), word, maxText)...)
		total += len(word)
	}
	if total > maxWords {
		out = append(out, problem(p, "has %d bytes; at most %d", total, maxWords))
	}
	if badText(c[0], maxText) != "" {
		return out
	}
	return append(out, check(p, c[0], badProgram(c[0]))...)
}

func badProgram(s string) string {
	switch {
	case s == "":
		return "the program has no name"
	case path.Clean(s) != s || s == "." || s == ".." || strings.HasPrefix(s, "../"):
		return "the program's path is not in its shortest form below the store path, such as bin/web"
	case path.IsAbs(s) && !strings.HasPrefix(s, nixStore):
		return "the program is outside of " + nixStore + "; a host may not have it"
	case !consistsOf(s, "/-._+?=@~:"):
		return "the program's path has characters other than letters, digits and /-._+?=@~:"
	case strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, ":"):
		return "the program's name begins with a character that systemd gives a meaning"
	}
	return ""
}

func (s *Service) validateEnv(p *field.Path) field.ErrorList {
	var out field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		at := p.Child("env").Key(shorten(name))
		bad := badEnvName(name)
		if bad == "" {
			bad = reservedEnv(name, s.Env[name])
		}
		if bad != "" {
			out = append(out, problem(at, "%s", bad))
		}
		out = append(out, checkText(at, s.Env[name], maxText)...)
	}
	if s.EnvFile != "" {
		out = append(out, check(p.Child("envFile"), s.EnvFile, badEnvFile(s.EnvFile))...)
	}
	return out
}

func badEnvFile(s string) string {
	name, ok := strings.CutPrefix(s, SecretsDirectory+"/")
	if !ok {
		return "is not below " + SecretsDirectory + "/"
	}
	return badBelow(name)
}

// badStateDirectory refuses the directories of others: systemd gives a state directory,
// with all that is in it, to the service's user.
func badStateDirectory(s string) string {
	if bad := badBelow(s); bad != "" {
		return bad
	}
	first, _, _ := strings.Cut(s, "/")
	switch first {
	case "biz-deployer", "biz-secrets", "private", "systemd", "machines", "portables", "extensions", "confexts",
		"caddy", "dbus", "nix", "nixos", "dpkg", "apt", "pam", "sudo", "acme", "docker", "containers", "containerd":
		return "/var/lib/" + first + " belongs to something else"
	}
	return ""
}

func (h *Hold) validate(p *field.Path) field.ErrorList {
	if h == nil {
		return nil
	}
	out := checkText(p.Child("owner"), h.Owner, 256)
	out = append(out, checkText(p.Child("reason"), h.Reason, 1024)...)
	switch {
	case h.Until == nil && !h.Forever:
		out = append(out, missing(p.Child("until"), "say when the hold ends, or forever: true"))
	case h.Until != nil && h.Forever:
		out = append(out, problem(p.Child("forever"), "is set beside until; keep one"))
	}
	return append(out, checkYear(p.Child("until"), h.Until)...)
}

func (d *Deploy) validateSpans(p *field.Path) field.ErrorList {
	out := spanBetween(p.Child("soak"), d.Soak, time.Millisecond, 24*time.Hour)
	return append(out, spanBetween(p.Child("drain"), d.Drain, time.Millisecond, time.Hour)...)
}

func (s *Service) validateDeploy(p *field.Path) field.ErrorList {
	d := &s.Deploy
	out := oneOf(p.Child("strategy"), d.Strategy, StrategyOverlap, StrategyReplace)
	if d.Strategy == StrategyOverlap && s.HTTP == nil {
		out = append(out, problem(p.Child("strategy"), "overlap moves requests from the old to the new one, but there is no http; leave it out"))
	}
	out = append(out, d.validateSpans(p)...)
	hosts := make(map[string]bool, len(s.Hosts))
	for _, h := range s.Hosts {
		hosts[h] = true
	}
	out = append(out, checkList(p.Child("order"), d.Order, func(host string) string {
		if !hosts[host] {
			return "is not one of hosts"
		}
		return ""
	})...)
	if d.Attempt < 0 || d.Attempt > 1_000_000_000 {
		out = append(out, problem(p.Child("attempt"), "%d is not between 0 and 1000000000", d.Attempt))
	}
	return out
}
