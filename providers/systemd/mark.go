package systemd

import (
	"bufio"
	"io"
	"strings"

	v1 "deployer/api/v1"
)

// credential is the name under which a process keeps the instance that it runs. It
// follows every start, systemd's own restarts included, and no program can lose it.
const credential = "revision"

const markPrefix = "# managed by biz-deployer; "

// mark is the first line of each of our units.
func mark(service string, slot v1.Slot) string {
	return markPrefix + "service=" + service + " slot=" + string(slot) + "; changes are undone"
}

// hasMark reports whether a unit's text starts with the mark of exactly that unit.
func hasMark(text io.Reader, unit string) bool {
	first, _ := bufio.NewReader(io.LimitReader(text, 256)).ReadString('\n')
	service, slot, ok := parseUnit(unit)
	return ok && strings.TrimSuffix(first, "\n") == mark(service, slot)
}

// parseUnit is the reverse of v1.UnitName. No service's name ends in -standby.
func parseUnit(unit string) (service string, slot v1.Slot, ok bool) {
	base, ok := strings.CutSuffix(unit, ".service")
	if !ok {
		return "", "", false
	}
	service, slot = base, v1.Primary
	if s, standby := strings.CutSuffix(base, "-standby"); standby {
		service, slot = s, v1.Standby
	}
	return service, slot, serviceName.MatchString(service)
}
