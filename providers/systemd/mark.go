package systemd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

const sealPrefix = "# sha256 "

// seal is the second line: the hash of all that comes after it. So a text that another
// version of us wrote can be told from one that somebody edited.
func seal(rest string) string {
	sum := sha256.Sum256([]byte(rest))
	return sealPrefix + hex.EncodeToString(sum[:8])
}

// hasMark reports whether a unit's text starts with the mark of exactly that unit.
func hasMark(text []byte, unit string) bool {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	service, slot, ok := parseUnit(unit)
	return ok && string(first) == mark(service, slot)
}

// sealed reports whether a text is just as some version of us wrote it.
func sealed(text []byte) bool {
	_, text, _ = bytes.Cut(text, []byte("\n"))
	second, rest, _ := bytes.Cut(text, []byte("\n"))
	return string(second) == seal(string(rest))
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
