package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"deployer/providers"
)

// ErrBothConditions says that IfMatch and IfAbsent contradict each other: a mistake of the caller.
var ErrBothConditions = errors.New("IfMatch and IfAbsent exclude each other")

// Put writes an object whole or not at all, from the body's present position to its end.
// ErrConflict is certain: nothing was written. After ErrUnavailable the object may have
// been written: a conditional Put is not tried again by itself after an unclear answer.
func (b *bucket) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	if err := checkPut(key, o); err != nil {
		return providers.ObjectInfo{}, fmt.Errorf("writing: %w", err)
	}
	content, err := newContent(body)
	if err != nil {
		return providers.ObjectInfo{}, fmt.Errorf("writing %s: measuring its content: %w", key, err)
	}
	if content.size > b.partSize().threshold {
		return b.putParts(ctx, key, content, o)
	}
	a := attempt{op: "writing", key: key, once: conditional(o)}
	info := providers.ObjectInfo{Key: key, Size: content.size}
	err = b.run(ctx, a, telling(o.Sent, func(ctx context.Context, client *s3.Client) error {
		out, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &b.loc.Bucket, Key: b.fullKey(key), Body: content.section(0, content.size),
			ContentLength: &content.size, ContentType: optional(o.ContentType),
			IfMatch: optional(o.IfMatch), IfNoneMatch: absent(o),
		})
		if err != nil {
			return lostRace(a, o, err)
		}
		if aws.ToString(out.ETag) == "" {
			return b.badAnswer(a, errors.New("an answer without an ETag"))
		}
		info.ETag = *out.ETag
		if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
			info.ModifiedAt = at.UTC()
		}
		return nil
	}))
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	return info, nil
}

func checkPut(key string, o providers.PutOptions) error {
	if o.IfMatch != "" && o.IfAbsent {
		return ErrBothConditions
	}
	return checkKey(key)
}

func conditional(o providers.PutOptions) bool { return o.IfMatch != "" || o.IfAbsent }

// lostRace knows the answers that mean "somebody else was faster": 412, 409 while the
// other one is still at it, and 404 for an If-Match on what is gone.
func lostRace(a attempt, o providers.PutOptions, err error) error {
	status, code := statusOf(err), codeOf(err)
	_, named := byCode(code)
	lost := status == http.StatusPreconditionFailed ||
		(status == http.StatusConflict && !named) ||
		(o.IfMatch != "" && isNoSuchKey(err))
	if conditional(o) && lost {
		return certain(a.op, a.key, providers.ErrConflict)
	}
	return err
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func absent(o providers.PutOptions) *string {
	if o.IfAbsent {
		return aws.String("*")
	}
	return nil
}

// content is a body that can be read in pieces, at once and again, whatever it is made of.
type content struct {
	at    io.ReaderAt
	start int64
	size  int64
}

func newContent(body io.ReadSeeker) (content, error) {
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return content{}, err
	}
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return content{}, err
	}
	if _, err := body.Seek(start, io.SeekStart); err != nil {
		return content{}, err
	}
	at, ok := body.(io.ReaderAt)
	if !ok {
		at = &seekingReaderAt{body: body}
	}
	return content{at: &contentReader{next: at}, start: start, size: end - start}, nil
}

// contentError: what was to be written cannot be read. No store is to blame.
type contentError struct{ err error }

func (e *contentError) Error() string { return "reading what to write: " + e.err.Error() }
func (e *contentError) Unwrap() error { return e.err }

type contentReader struct{ next io.ReaderAt }

// ReadAt marks errors of the caller's own, for the SDK passes them off as the network's.
func (c *contentReader) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.next.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		err = &contentError{err: err}
	}
	return n, err
}

func (c content) section(offset, n int64) *io.SectionReader {
	return io.NewSectionReader(c.at, c.start+offset, n)
}

// seekingReaderAt makes an io.ReaderAt of any io.ReadSeeker, one reader at a time.
type seekingReaderAt struct {
	mu   sync.Mutex
	body io.ReadSeeker
}

// ReadAt reads at an offset.
func (s *seekingReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.body.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(s.body, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}
