package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"deployer/providers"
)

// bucket is an S3 bucket, or a prefix of one. Safe for concurrent use.
type bucket struct {
	loc     Location
	o       Options
	session *session
}

var _ providers.Objects = (*bucket)(nil)

func openBucket(loc Location, o Options) *bucket {
	return &bucket{loc: loc, o: o, session: &session{loc: loc, o: o}}
}

// String is the store's URL.
func (b *bucket) String() string { return b.loc.String() }

// fullKey is the key in the bucket.
func (b *bucket) fullKey(key string) *string {
	if b.loc.Prefix == "" {
		return &key
	}
	return aws.String(b.loc.Prefix + "/" + key)
}

// certain gives a certain answer the form in which it is returned.
func certain(op, key string, sentinel error) error {
	return fmt.Errorf("%s %s: %w", op, key, sentinel)
}

// Get opens an object. An Offset at or behind its end gives an empty body.
func (b *bucket) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	in := &s3.GetObjectInput{Bucket: &b.loc.Bucket, Key: b.fullKey(key)}
	if o.IfNoneMatch != "" {
		in.IfNoneMatch = &o.IfNoneMatch
	}
	if o.Offset > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", o.Offset))
	}
	a := attempt{op: "reading", key: key}
	var out *s3.GetObjectOutput
	var pastEnd bool
	err := b.run(ctx, a, func(ctx context.Context, client *s3.Client) (err error) {
		out, err = client.GetObject(context.WithValue(ctx, streaming{}, true), in)
		switch {
		case err == nil:
			return nil
		case statusOf(err) == http.StatusNotModified && o.IfNoneMatch != "":
			return certain(a.op, key, providers.ErrNotModified)
		case isNoSuchKey(err):
			return certain(a.op, key, providers.ErrNotFound)
		case statusOf(err) == http.StatusRequestedRangeNotSatisfiable && o.Offset > 0:
			pastEnd = true
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if pastEnd {
		info, err := b.Stat(ctx, key)
		return &providers.Object{ObjectInfo: info, Body: io.NopCloser(bytes.NewReader(nil))}, err
	}
	return b.object(ctx, a, out, o)
}

// isNoSuchKey wants the store's own word. A bare 404 may come from anything in between,
// and "certainly absent" is what removals rest on.
func isNoSuchKey(err error) bool {
	return statusOf(err) == http.StatusNotFound && codeOf(err) == "NoSuchKey"
}

func (b *bucket) object(ctx context.Context, a attempt, out *s3.GetObjectOutput, o providers.GetOptions) (*providers.Object, error) {
	info := providers.ObjectInfo{
		Key: a.key, ETag: aws.ToString(out.ETag), Size: -1, ModifiedAt: aws.ToTime(out.LastModified),
	}
	length := int64(-1)
	if out.ContentLength != nil {
		length = *out.ContentLength
		info.Size = length
	}
	if o.Offset > 0 {
		size, ok := rangeFrom(aws.ToString(out.ContentRange), o.Offset)
		if !ok {
			_ = out.Body.Close()
			return nil, &Error{
				Reason: BadAnswer, Op: a.op, Key: a.key, Store: b.loc.String(),
				Advice: fmt.Sprintf("%s ignored the wish to start at byte %d; check that no proxy stands between", b.server(), o.Offset),
			}
		}
		info.Size = size
	}
	explain := func(err error) error { return b.explain(ctx, a, err) }
	return &providers.Object{ObjectInfo: info, Body: &body{
		ReadCloser: out.Body, want: length, max: o.MaxBytes, explain: explain,
		tooLarge: func() error { return tooLarge(a, b.loc.String(), o.MaxBytes) },
	}}, nil
}

// rangeFrom reads "bytes 5-9/10": the size, and whether it starts where it was asked to.
func rangeFrom(contentRange string, offset int64) (int64, bool) {
	rest, ok := strings.CutPrefix(contentRange, fmt.Sprintf("bytes %d-", offset))
	if !ok {
		return 0, false
	}
	_, total, ok := strings.Cut(rest, "/")
	if !ok {
		return 0, false
	}
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return -1, true // "*": the server does not say
	}
	return size, true
}

// Stat is Get without the body.
func (b *bucket) Stat(ctx context.Context, key string) (providers.ObjectInfo, error) {
	if err := checkKey(key); err != nil {
		return providers.ObjectInfo{}, fmt.Errorf("reading: %w", err)
	}
	var out *s3.HeadObjectOutput
	var missing bool
	err := b.run(ctx, attempt{op: "reading", key: key}, func(ctx context.Context, client *s3.Client) (err error) {
		out, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.loc.Bucket, Key: b.fullKey(key)})
		if missing = statusOf(err) == http.StatusNotFound; missing {
			return nil
		}
		return err
	})
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	if missing {
		// A HEAD's 404 has no body, so it does not say whether key or bucket is missing.
		obj, err := b.Get(ctx, key, providers.GetOptions{})
		if err != nil {
			return providers.ObjectInfo{}, err
		}
		return obj.ObjectInfo, obj.Body.Close()
	}
	return providers.ObjectInfo{
		Key: key, ETag: aws.ToString(out.ETag), Size: aws.ToInt64(out.ContentLength), ModifiedAt: aws.ToTime(out.LastModified),
	}, nil
}

// List gives all objects below a prefix, by key. Keys that no other store could hold, such
// as the folder marks of web consoles, are left out.
func (b *bucket) List(ctx context.Context, prefix string) ([]providers.ObjectInfo, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, fmt.Errorf("listing: %w", err)
	}
	var all []providers.ObjectInfo
	full := b.fullKey(prefix)
	below := strings.TrimSuffix(*full, prefix)
	var token *string
	for {
		out, err := b.page(ctx, attempt{op: "listing", key: prefix}, &s3.ListObjectsV2Input{
			Bucket: &b.loc.Bucket, Prefix: full, ContinuationToken: token,
		})
		if err != nil {
			return nil, err
		}
		for _, o := range out.Contents {
			key := strings.TrimPrefix(aws.ToString(o.Key), below)
			if checkKey(key) != nil {
				continue
			}
			all = append(all, providers.ObjectInfo{
				Key: key, ETag: aws.ToString(o.ETag), Size: aws.ToInt64(o.Size), ModifiedAt: aws.ToTime(o.LastModified),
			})
		}
		if token = out.NextContinuationToken; !aws.ToBool(out.IsTruncated) {
			break
		}
	}
	slices.SortFunc(all, byKey)
	return all, nil
}

func byKey(a, b providers.ObjectInfo) int { return strings.Compare(a.Key, b.Key) }

// errNotAList: well-formed, and not a list. The SDK reads a login page as an empty one.
var errNotAList = errors.New("the answer is no list of objects")

func (b *bucket) page(ctx context.Context, a attempt, in *s3.ListObjectsV2Input) (out *s3.ListObjectsV2Output, err error) {
	err = b.run(ctx, a, func(ctx context.Context, client *s3.Client) (err error) {
		out, err = client.ListObjectsV2(ctx, in)
		if err != nil {
			return err
		}
		endless := aws.ToBool(out.IsTruncated) && (out.NextContinuationToken == nil || aws.ToString(out.NextContinuationToken) == aws.ToString(in.ContinuationToken))
		if aws.ToString(out.Name) != b.loc.Bucket || endless {
			return b.badAnswer(a, errNotAList)
		}
		return nil
	})
	return out, err
}

func (b *bucket) badAnswer(a attempt, cause error) *Error {
	return &Error{
		Reason: BadAnswer, Op: a.op, Key: a.key, Store: b.loc.String(), Err: cause,
		Advice: fmt.Sprintf("%s gave an answer that is none of S3's; check that endpoint= is an S3 server and no login page stands between", b.server()),
	}
}

// Delete removes an object; an absent one is not an error.
func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	return b.run(ctx, attempt{op: "deleting", key: key}, func(ctx context.Context, client *s3.Client) error {
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.loc.Bucket, Key: b.fullKey(key)})
		if isNoSuchKey(err) {
			return nil
		}
		return err
	})
}
