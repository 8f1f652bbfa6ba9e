package objectstore

import (
	"fmt"
	"io"
)

// body is an object on its way. It ends with io.EOF only when all of it has arrived; a
// body cut short, stalled or longer than allowed ends with an *Error.
type body struct {
	io.ReadCloser
	// want is the length that the store announced; -1 when it did not.
	want int64
	// max is the caller's bound; 0 is none. The announced length is never believed.
	max      int64
	got      int64
	explain  func(error) error
	tooLarge func() error
}

// Read gives at most max bytes in all.
func (b *body) Read(p []byte) (int, error) {
	if b.max > 0 && int64(len(p)) > b.max-b.got {
		// One byte more than allowed tells "exactly as long" from "too long".
		p = p[:b.max-b.got+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.got += int64(n)
	if b.max > 0 && b.got > b.max {
		n -= int(b.got - b.max)
		b.got = b.max
		return n, b.tooLarge()
	}
	switch {
	case err == io.EOF && b.want >= 0 && b.got < b.want:
		return n, b.explain(io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		return n, b.explain(err)
	}
	return n, err
}

func tooLarge(a attempt, store string, limit int64) *Error {
	return &Error{
		Reason: TooLarge, Op: a.op, Key: a.key, Store: store,
		Advice: fmt.Sprintf("it is longer than the %d bytes allowed for it; look at what wrote it", limit),
	}
}
