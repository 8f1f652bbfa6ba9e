package env

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// hostReads are the keys that a host needs: the manifest and its archive, the Nix cache, and the
// reports of all hosts.
var hostReads = []string{"manifest.json", "manifests/*", "nix-cache-info", "*.narinfo", "nar/*", "realisations/*", "status/*"}

// prepare makes the bucket, the writer and the policy, if they are missing.
func (s *S3) prepare(ctx context.Context) error {
	_, err := s.Client(rootUser).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(Bucket)})
	var api smithy.APIError
	switch {
	case errors.As(err, &api) && api.ErrorCode() == "BucketAlreadyOwnedByYou":
		return nil // all of it is there: the data stays over a restart
	case err != nil:
		return fmt.Errorf("making bucket %s: %w", Bucket, err)
	}
	if err := s.createUser(ctx, Writer); err != nil {
		return err
	}
	return s.putPolicy(ctx)
}

func (s *S3) createUser(ctx context.Context, user string) error {
	gateway, err := s.gateway()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, gateway, "admin", "--endpoint-url", "http://"+s.Endpoint(),
		"--access", rootUser, "--secret", s.Secret(rootUser),
		"create-user", "--access", user, "--secret", s.Secret(user), "--role", "user")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making S3 user %s: %w: %s", user, err, strings.TrimSpace(string(out)))
	}
	return nil
}

type statement struct {
	Effect    string
	Principal map[string][]string
	Action    []string
	Resource  []string
}

// policy is the bucket's: what README.md recommends for a real one, too. A host may list, because
// without that right an S3 server may answer 403 instead of 404 for a key that is not there.
func policy(hosts []string) []statement {
	arn := func(keys ...string) []string {
		var arns []string
		for _, key := range keys {
			arns = append(arns, "arn:aws:s3:::"+Bucket+strings.TrimRight("/"+key, "/"))
		}
		return arns
	}
	as := func(users ...string) map[string][]string { return map[string][]string{"AWS": users} }
	statements := []statement{{Effect: "Allow", Principal: as(Writer), Action: []string{"s3:*"}, Resource: arn("", "*")}}
	for _, host := range hosts {
		user := as(HostUser(host))
		statements = append(statements,
			statement{Effect: "Allow", Principal: user, Action: []string{"s3:ListBucket"}, Resource: arn("")},
			statement{Effect: "Allow", Principal: user, Action: []string{"s3:GetObject"}, Resource: arn(hostReads...)},
			statement{Effect: "Allow", Principal: user, Action: []string{"s3:PutObject"}, Resource: arn("status/" + host + ".json")},
		)
	}
	return statements
}

func (s *S3) putPolicy(ctx context.Context) error {
	var hosts []string
	s.lab.mu.Lock()
	users := slices.Collect(maps.Keys(s.lab.record.Secrets))
	s.lab.mu.Unlock()
	for _, user := range users {
		if host, ok := strings.CutPrefix(user, HostUser("")); ok {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": policy(hosts)})
	if err != nil {
		return fmt.Errorf("writing the bucket policy: %w", err)
	}
	_, err = s.Client(rootUser).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(Bucket), Policy: aws.String(string(text))})
	if err != nil {
		return fmt.Errorf("writing the bucket policy: %w", err)
	}
	return nil
}
