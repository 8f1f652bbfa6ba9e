package objectstore

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sending is the key under which a request's context has who wants to know of its body's
// bytes. The SDK reads a body to sign it before it sends it, so only the HTTP client knows
// what left.
type sending struct{}

type sent func(n int64)

// telling makes of one try of a request one that tells of the bytes it sends. What a failed
// try sent is taken back: the next one sends it again.
func telling(tell func(n int64), try func(context.Context, *s3.Client) error) func(context.Context, *s3.Client) error {
	if tell == nil {
		return try
	}
	return func(ctx context.Context, client *s3.Client) error {
		var told atomic.Int64
		err := try(context.WithValue(ctx, sending{}, sent(func(n int64) {
			told.Add(n)
			tell(n)
		})), client)
		if err != nil {
			tell(-told.Load())
		}
		return err
	}
}
