package objectstore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"deployer/providers"
)

const (
	defaultThreshold = 64 << 20
	defaultPart      = 16 << 20
	maxParts         = 10_000
	partsAtOnce      = 4
	abortTimeout     = 30 * time.Second
)

type partSize struct{ threshold, part int64 }

func (b *bucket) partSize() partSize {
	if b.o.PartSize > 0 {
		return partSize{threshold: b.o.PartSize, part: b.o.PartSize}
	}
	return partSize{threshold: defaultThreshold, part: defaultPart}
}

// putParts sends a large body in parts. Nothing shows under the key before the last call,
// which is the one that carries the condition.
func (b *bucket) putParts(ctx context.Context, key string, c content, o providers.PutOptions) (providers.ObjectInfo, error) {
	a := attempt{op: "writing", key: key}
	var uploadID *string
	err := b.run(ctx, a, func(ctx context.Context, client *s3.Client) error {
		out, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &b.loc.Bucket, Key: b.fullKey(key), ContentType: optional(o.ContentType),
		})
		if err != nil {
			return err
		}
		if uploadID = out.UploadId; aws.ToString(uploadID) == "" {
			return b.badAnswer(a, errors.New("an answer without an upload id"))
		}
		return nil
	})
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	parts, err := b.sendParts(ctx, a, uploadID, c, o.Sent)
	var info providers.ObjectInfo
	if err == nil {
		info, err = b.complete(ctx, a, uploadID, parts, o)
	}
	if err != nil {
		b.abort(ctx, key, uploadID)
		return providers.ObjectInfo{}, err
	}
	info.Size = c.size
	return info, nil
}

func (b *bucket) sendParts(ctx context.Context, a attempt, uploadID *string, c content, sent func(int64)) ([]types.CompletedPart, error) {
	size := max(b.partSize().part, (c.size+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (c.size+size-1)/size)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for i := range parts {
		group.Go(func() error {
			offset := int64(i) * size
			length := min(size, c.size-offset)
			number := aws.Int32(int32(i + 1))
			return b.run(ctx, a, telling(sent, func(ctx context.Context, client *s3.Client) error {
				out, err := client.UploadPart(ctx, &s3.UploadPartInput{
					Bucket: &b.loc.Bucket, Key: b.fullKey(a.key), UploadId: uploadID, PartNumber: number,
					Body: c.section(offset, length), ContentLength: &length,
				})
				if err != nil {
					return err
				}
				if aws.ToString(out.ETag) == "" {
					return b.badAnswer(a, errors.New("an answer without an ETag"))
				}
				parts[i] = types.CompletedPart{ETag: out.ETag, PartNumber: number}
				return nil
			}))
		})
	}
	return parts, group.Wait()
}

func (b *bucket) complete(ctx context.Context, a attempt, uploadID *string, parts []types.CompletedPart, o providers.PutOptions) (providers.ObjectInfo, error) {
	info := providers.ObjectInfo{Key: a.key}
	a.once = true // a second try would find no upload, or lose against itself
	err := b.run(ctx, a, func(ctx context.Context, client *s3.Client) error {
		out, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &b.loc.Bucket, Key: b.fullKey(a.key), UploadId: uploadID,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
			IfMatch:         optional(o.IfMatch), IfNoneMatch: absent(o),
		})
		if err != nil {
			return lostRace(a, o, err)
		}
		if info.ETag = aws.ToString(out.ETag); info.ETag == "" {
			return b.badAnswer(a, errors.New("an answer without an ETag"))
		}
		return nil
	})
	return info, err
}

// abort frees the parts that were sent. Best effort, also when the caller has given up:
// what stays costs money but is never visible. After an unclear last call it does no harm:
// a finished upload can no longer be aborted.
func (b *bucket) abort(ctx context.Context, key string, uploadID *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_ = b.run(ctx, attempt{op: "writing", key: key, once: true}, func(ctx context.Context, client *s3.Client) error {
		_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &b.loc.Bucket, Key: b.fullKey(key), UploadId: uploadID,
		})
		return err
	})
}
