package nix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nix-community/go-nix/pkg/nixbase32"
)

// daemonSocket is where nix-daemon listens, on every Nix that several users share.
const daemonSocket = "/nix/var/nix/daemon-socket/socket"

// What of Nix's worker protocol is needed for one question. The version that we say we
// speak is old enough that every daemon answers in the same, plain form (1.17 brought the
// answer "not valid", 1.18 is the oldest that Nix 2.3 to 2.34 still take), and new enough
// that none refuses it.
const (
	workerMagicClient  = 0x6e697863
	workerMagicDaemon  = 0x6478696f
	workerVersion      = 1<<8 | 18
	workerMajor        = 0xff00
	workerPathInfo     = 26
	workerMessage      = 0x6f6c6d67
	workerMessagesDone = 0x616c7473
)

// errNoDaemon: this question has to be asked in another way. It is no failure.
var errNoDaemon = errors.New("the nix daemon does not answer in a form that is known")

// askDaemon is query by way of nix-daemon: a few milliseconds instead of several processes
// in a transient unit, and a release waits for the answer. It adds to records only when all
// is known; any doubt is an error, and the caller asks as it would without a daemon.
//
// Each call has a connection of its own, because the daemon serves each with a process of
// its own that believes what it has seen for weeks: over a kept connection, a path that was
// collected since would still be valid.
func (m *Manager) askDaemon(ctx context.Context, storePaths []string, records map[string]*record) error {
	if m.daemon == "" {
		return errNoDaemon
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", m.daemon)
	if err != nil {
		return errors.Join(errNoDaemon, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(m.o.QueryTimeout)); err != nil {
		return errors.Join(errNoDaemon, err)
	}
	w := newWire(conn)
	if err := greet(w); err != nil {
		return errors.Join(errNoDaemon, err)
	}
	found := map[string]*record{}
	queue := slices.Clone(storePaths)
	asked := map[string]bool{}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		if asked[p] {
			continue
		}
		asked[p] = true
		r, err := pathInfo(w, p)
		if err != nil {
			return errors.Join(errNoDaemon, err)
		}
		if r == nil {
			continue
		}
		found[p] = r
		queue = append(queue, r.refs...)
	}
	for p, r := range found {
		records[p] = r
	}
	return nil
}

// greet agrees on the version.
func greet(w *wire) error {
	w.number(workerMagicClient)
	w.flush()
	magic, version := w.readNumber(), w.readNumber()
	if w.err == nil && (magic != workerMagicDaemon || version&workerMajor != workerVersion&workerMajor || version < workerVersion) {
		return fmt.Errorf("greeting the nix daemon: it speaks version %#x", version)
	}
	const noAffinity, noReserve = 0, 0
	w.number(workerVersion)
	w.number(noAffinity)
	w.number(noReserve)
	w.flush()
	return readMessages(w)
}

// pathInfo asks about one path; nil when it is not valid.
func pathInfo(w *wire, storePath string) (*record, error) {
	w.number(workerPathInfo)
	w.text(storePath)
	w.flush()
	if err := readMessages(w); err != nil {
		return nil, err
	}
	if w.readNumber() == 0 {
		return nil, w.err
	}
	_ = w.readText() // the deriver
	hash := w.readText()
	refs := w.readTexts()
	_ = w.readNumber() // when it was registered
	size := w.readNumber()
	_ = w.readNumber() // whether it was built here
	_ = w.readTexts()  // its signatures
	_ = w.readText()   // its content address
	if w.err != nil {
		return nil, w.err
	}
	for _, p := range refs {
		if err := checkPath(p); err != nil {
			return nil, err
		}
	}
	raw, err := base16(hash)
	if err != nil {
		return nil, fmt.Errorf("hash of %s: %w", storePath, err)
	}
	// As --dump-db lists them: what a path refers to within itself is one of them.
	return &record{narHash: "sha256:" + nixbase32.EncodeToString(raw), narSize: int64(size), refs: refs}, nil
}

// readMessages passes over what the daemon logs before an answer. An error among it, or
// anything newer, leaves the stream at an unknown place.
func readMessages(w *wire) error {
	for w.err == nil {
		switch kind := w.readNumber(); {
		case w.err != nil:
		case kind == workerMessagesDone:
			return nil
		case kind == workerMessage:
			_ = w.readText()
		default:
			return fmt.Errorf("the nix daemon sends a message %#x: %s", kind, strings.TrimSpace(w.readText()))
		}
	}
	return w.err
}
