package listeners

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
)

// Established counts the connections of this network namespace whose own side is that
// port: those of a server, and not the other ends of them that may be on this host, too.
func Established(port int) (int, error) {
	count := 0
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		n, err := establishedIn(table, port)
		if err != nil && !os.IsNotExist(err) {
			return 0, fmt.Errorf("counting connections: %w", err)
		}
		count += n
	}
	return count, nil
}

const stateEstablished = "01"

// establishedIn reads the whole table, so it looks at bytes and makes no strings of them.
// It costs the kernel about 3 µs for each row, those in TIME_WAIT included.
func establishedIn(table string, port int) (int, error) {
	f, err := os.Open(table)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	wanted := fmt.Appendf(nil, ":%04X", port)
	count := 0
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		// sl: local_address remote_address st …
		_, rest, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		local, rest, _ := bytes.Cut(rest, []byte(" "))
		if !bytes.HasSuffix(local, wanted) {
			continue
		}
		if _, state, ok := bytes.Cut(rest, []byte(" ")); ok && bytes.HasPrefix(state, []byte(stateEstablished+" ")) {
			count++
		}
	}
	return count, lines.Err()
}
