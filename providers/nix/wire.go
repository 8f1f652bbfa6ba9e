package nix

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
)

// wire is how Nix's processes talk: numbers of 64 bits, little endian, and texts with
// their length before them and zeros up to a multiple of eight. After the first error it
// reads zeros and writes nothing; err says what happened.
type wire struct {
	in  *bufio.Reader
	out *bufio.Writer
	err error
}

// Bounds on what we believe of a daemon that may speak something else.
const (
	wireText  = 1 << 20
	wireTexts = 1 << 16
)

func newWire(conn io.ReadWriter) *wire {
	return &wire{in: bufio.NewReader(conn), out: bufio.NewWriter(conn)}
}

func (w *wire) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *wire) number(n uint64) {
	if w.err != nil {
		return
	}
	_, err := w.out.Write(binary.LittleEndian.AppendUint64(nil, n))
	w.keep(err)
}

func (w *wire) text(s string) {
	w.number(uint64(len(s)))
	if w.err != nil {
		return
	}
	_, err := w.out.WriteString(s + string(make([]byte, padding(len(s)))))
	w.keep(err)
}

func (w *wire) flush() {
	if w.err == nil {
		w.keep(w.out.Flush())
	}
}

func (w *wire) readNumber() uint64 {
	var b [8]byte
	w.read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func (w *wire) readText() string {
	n := w.readNumber()
	if n > wireText {
		w.keep(fmt.Errorf("a text of %d bytes is too long", n))
	}
	if w.err != nil {
		return ""
	}
	b := make([]byte, int(n)+padding(int(n)))
	w.read(b)
	if w.err != nil {
		return ""
	}
	return string(b[:n])
}

func (w *wire) readTexts() []string {
	n := w.readNumber()
	if n > wireTexts {
		w.keep(fmt.Errorf("a list of %d is too long", n))
	}
	var out []string
	for range n {
		if w.err != nil {
			return nil
		}
		out = append(out, w.readText())
	}
	return out
}

// read fills b, with zeros after an error.
func (w *wire) read(b []byte) {
	if w.err == nil {
		_, err := io.ReadFull(w.in, b)
		w.keep(err)
	}
	if w.err != nil {
		clear(b)
	}
}

func padding(n int) int { return (8 - n%8) % 8 }

// base16 is a SHA-256 in the form that the database has it in.
func base16(s string) ([]byte, error) {
	raw, err := hex.DecodeString(s)
	if err == nil && len(raw) != sha256.Size {
		err = fmt.Errorf("%d bytes are not a sha256", len(raw))
	}
	return raw, err
}
