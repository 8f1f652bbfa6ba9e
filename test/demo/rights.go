package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"deployer/test/env"
)

// tryRights tries what somebody could who has broken into a host.
func (d *demo) tryRights(ctx context.Context) error {
	if err := d.saying(ctx, []string{"denied"}, d.biz, 1, "deploy-manifest", "set", service, "env.STOLEN=yes"); err != nil {
		return err
	}
	store := d.lab.S3.Client(env.HostUser("biz"))
	for _, key := range []string{"manifest.json", "0123456789abcdfghijklmnpqrsvwxyz.narinfo", "nar/x.nar.zst", "status/ava.json"} {
		_, err := store.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(env.Bucket), Key: aws.String(key), Body: strings.NewReader("{}")})
		var refused smithy.APIError
		switch {
		case err == nil:
			return fmt.Errorf("biz's credentials may write %s", key)
		case !errors.As(err, &refused) || refused.ErrorCode() != "AccessDenied":
			return fmt.Errorf("writing %s with biz's credentials is not denied, but ends with: %w", key, err)
		}
		d.note("PUT %s with biz's own credentials: %s", key, refused.ErrorCode())
	}
	return nil
}
