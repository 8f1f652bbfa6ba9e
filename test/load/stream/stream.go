// Package stream is what a long download consists of: bytes that both ends can work out, so
// that one that is lost, doubled or changed on the way is seen.
package stream

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
)

// New gives the endless stream of a seed.
func New(seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}
