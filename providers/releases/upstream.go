package releases

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"deployer/providers/internal/durable"
)

// Shift points the upstream file to 127.0.0.1:port by one rename. Caddy reads the file at
// every request: it must never be missing, and must hold the address, a newline and
// nothing else.
func (d *Directory) Shift(_ context.Context, service string, port int) error {
	doing := fmt.Sprintf("moving the traffic of %s to port %d", service, port)
	if !validName(service) {
		return fmt.Errorf("%s: not the name of a service", doing)
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("%s: there is no such port", doing)
	}
	want := address(port)
	have, err := d.upstream(service)
	if err == nil && have == want && d.upstreamMode(service) == upstreamMode {
		return nil
	}
	root, err := openDir(d.paths.Upstreams())
	if err != nil {
		return unavailable(doing, err)
	}
	defer closeQuietly(root)
	if err := durable.WriteFileVia(root, d.shiftTemp(service), service, []byte(want+"\n"), upstreamMode); err != nil {
		return unavailable(doing, err)
	}
	return nil
}

// shiftTemp differs for two processes that shift at the same time: else one might rename
// what the other has only half written. No service's name has a dot.
func (d *Directory) shiftTemp(service string) string {
	if d.second == "" {
		return durable.Temp(service)
	}
	return durable.Temp(d.second + "." + service)
}

// upstreamMode lets Caddy read it, and the standby's ExecStopPost find it.
const upstreamMode fs.FileMode = 0o644

// upstream is the address in the file, or empty: no file, or not exactly an address.
func (d *Directory) upstream(service string) (string, error) {
	// An address takes 22 bytes; what is longer is none.
	const longest = 64
	data, err := readAtMost(d.paths.Upstream(service), longest)
	if err != nil {
		return "", unlessAbsent(err)
	}
	return parseAddress(string(data)), nil
}

func (d *Directory) upstreamMode(service string) fs.FileMode {
	info, err := os.Lstat(d.paths.Upstream(service))
	if err != nil {
		return 0
	}
	return info.Mode()
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// parseAddress gives "" for anything that Caddy would not dial as it stands.
func parseAddress(content string) string {
	line, ended := strings.CutSuffix(content, "\n")
	digits, local := strings.CutPrefix(line, "127.0.0.1:")
	port, err := strconv.Atoi(digits)
	if !ended || !local || err != nil || port < 1 || port > 65535 || address(port) != line {
		return ""
	}
	return line
}
