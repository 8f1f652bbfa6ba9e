package v1

import (
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (s *Systemd) validate(p *field.Path) field.ErrorList {
	out := checkList(p.Child("after"), s.After, badUnitName)
	out = append(out, checkList(p.Child("requires"), s.Requires, badUnitName)...)
	out = append(out, oneOf(p.Child("restart"), s.Restart,
		"always", "on-failure", "on-abnormal", "on-abort", "on-watchdog", "on-success", "no")...)
	return append(out, spanBetween(p.Child("restartSec"), s.RestartSec, time.Millisecond, time.Hour)...)
}

func (s *Service) validateHardening(p *field.Path) field.ErrorList {
	h := &s.Hardening
	out := oneOf(p.Child("profile"), h.Profile, ProfileStandard, ProfileStrict, ProfileNone)
	out = append(out, oneOf(p.Child("protectSystem"), string(h.ProtectSystem), "true", "false", "full", "strict")...)
	out = append(out, oneOf(p.Child("protectHome"), string(h.ProtectHome), "true", "false", "read-only", "tmpfs")...)
	words := allowNames()
	for i, w := range h.Allow {
		if w == "" {
			out = append(out, problem(p.Child("allow").Index(i), "is empty"))
		}
		out = append(out, oneOf(p.Child("allow").Index(i), w, words...)...)
	}
	out = append(out, checkList(p.Child("allow"), h.Allow, func(string) string { return "" })...)
	return append(out, s.validateDynamicUser(p)...)
}

// validateDynamicUser refuses what systemd would override without a word: a dynamic user
// always brings PrivateTmp, ProtectSystem=strict and at least ProtectHome=read-only.
func (s *Service) validateDynamicUser(p *field.Path) field.ErrorList {
	h := &s.Hardening
	dynamic := s.Exec.User == ""
	if h.DynamicUser != nil {
		dynamic = *h.DynamicUser
	}
	switch {
	case !dynamic && s.Exec.User == "":
		return field.ErrorList{problem(p.Child("dynamicUser"), "false needs exec.user: without one the program would run as root")}
	case !dynamic:
		return nil
	case s.Exec.User == "root" || s.Exec.Group == "root":
		name := "dynamicUser"
		if h.DynamicUser == nil {
			return field.ErrorList{problem(p.Child(name), "a dynamic user cannot be in the group root; write exec.user, too")}
		}
		return field.ErrorList{problem(p.Child(name), "root cannot be a dynamic user")}
	}
	const remedy = "has no effect with a dynamic user; write an exec.user that exists on the host"
	var out field.ErrorList
	if h.PrivateTmp != nil && !*h.PrivateTmp {
		out = append(out, problem(p.Child("privateTmp"), "false %s", remedy))
	}
	if h.ProtectSystem != "" && h.ProtectSystem != "strict" {
		out = append(out, problem(p.Child("protectSystem"), "%s %s", h.ProtectSystem, remedy))
	}
	if h.ProtectHome == ToggleOff {
		out = append(out, problem(p.Child("protectHome"), "false %s", remedy))
	}
	return out
}

func (r *Resources) validate(p *field.Path) field.ErrorList {
	var out field.ErrorList
	if r.MemoryMax != "" {
		out = append(out, check(p.Child("memoryMax"), r.MemoryMax, badMemory(r.MemoryMax))...)
	}
	if r.CPUQuota != "" {
		out = append(out, check(p.Child("cpuQuota"), r.CPUQuota, badQuota(r.CPUQuota))...)
	}
	return append(out, between(p.Child("tasksMax"), r.TasksMax, 1, 1<<22)...)
}

// MemoryBytes is memoryMax as a number; 0 when it is left out or not valid.
func (r Resources) MemoryBytes() uint64 {
	digits, shift := r.MemoryMax, 0
	if n := len(digits); n > 0 && !isDigit(digits[n-1]) {
		unit := strings.IndexByte("KMGT", digits[n-1])
		if unit < 0 {
			return 0
		}
		digits, shift = digits[:n-1], 10*(unit+1)
	}
	v, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || strconv.FormatUint(v, 10) != digits || v > (1<<63-1)>>shift {
		return 0
	}
	return v << shift
}

// badMemory: less than a megabyte starts no program; it is a forgotten unit.
func badMemory(s string) string {
	switch bytes := (Resources{MemoryMax: s}).MemoryBytes(); {
	case bytes == 0:
		return "is not a size; write bytes, or a whole number with K, M, G or T, such as 512M"
	case bytes < 1<<20:
		return "is less than 1M; was a unit left out?"
	}
	return ""
}

func badQuota(s string) string {
	digits, ok := strings.CutSuffix(s, "%")
	v, err := strconv.Atoi(digits)
	if !ok || err != nil || strconv.Itoa(v) != digits || v < 1 || v > 100_000 {
		return "is not a quota; write per cent of one core, 1% to 100000%, such as 150%"
	}
	return ""
}
