package load

import (
	"bytes"
	"fmt"
)

// numbered is what a download consists of: lines of 16 bytes, each being its own number with
// leading zeros, so that bytes that are lost, doubled or changed on the way are seen.
type numbered struct {
	line int
	rest bytes.Buffer
}

// next gives the following n bytes; they are good until the next call.
func (n *numbered) next(count int) []byte {
	for n.rest.Len() < count {
		fmt.Fprintf(&n.rest, "%015d\n", n.line)
		n.line++
	}
	return n.rest.Next(count)
}
