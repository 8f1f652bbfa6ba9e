package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"deployer/test/closure"
	"deployer/test/env"
)

const (
	pushPaths   = 200
	pushBlobs   = pushPaths - 3 // the program, its configuration and its greeting are paths, too
	pushBlob    = 500 << 20 / pushBlobs
	pushLatency = 20 * time.Millisecond
	// pushRounds of the quick ones; the slow ones run once.
	pushRounds = 3
	// plainBucket lets anybody read and write: a plain HTTP cache, which Nix can write to.
	plainBucket = "plain"
)

// push measures on a laptop, whose S3 is the lab's.
func push(ctx context.Context) (err error) {
	if err := env.Ready(); err != nil {
		return fmt.Errorf("a test host cannot run here: %w", err)
	}
	lab, err := env.NewLab(ctx, env.LabOptions{})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := lab.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := makePlainBucket(ctx, lab.S3.Client("root")); err != nil {
		return err
	}
	host, err := lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	if err != nil {
		return err
	}
	if err := closure.Install(ctx, host); err != nil {
		return err
	}
	return env.RunInside(ctx, host, env.InsideOptions{Args: []string{"push"}, Env: []string{quickVariable + "=" + os.Getenv(quickVariable)}})
}

func makePlainBucket(ctx context.Context, client *s3.Client) error {
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(plainBucket)}); err != nil {
		return fmt.Errorf("making bucket %s: %w", plainBucket, err)
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": "*", "Action": []string{"s3:GetObject", "s3:PutObject", "s3:ListBucket"},
		"Resource": []string{"arn:aws:s3:::" + plainBucket, "arn:aws:s3:::" + plainBucket + "/*"},
	}}})
	if err != nil {
		return err
	}
	_, err = client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(plainBucket), Policy: aws.String(string(policy))})
	if err != nil {
		return fmt.Errorf("opening bucket %s to all: %w", plainBucket, err)
	}
	return nil
}

// pushInside uploads one closure again and again, each time to a place that has nothing of
// it: with deploy-push, from its start to the manifest written, and with nix copy, from its
// start to its end.
func pushInside(ctx context.Context) error {
	far, err := startDelay(ctx, "s3:7070", pushLatency)
	if err != nil {
		return err
	}
	began := time.Now()
	path, err := closure.Build(ctx, closure.Local{}, closure.Spec{Name: "web", Release: "one", Blobs: pushBlobs, BlobSize: pushBlob})
	if err != nil {
		return err
	}
	b := &pushBench{path: path, addr: far.addr()}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Printf("A closure of %d paths, %d MB of random bytes (built in %s), to one versitygw behind %s of added latency.\n",
		b.paths, b.size>>20, time.Since(began).Round(time.Second), pushLatency)
	for range pushRounds {
		if err := b.ours(ctx); err != nil {
			return err
		}
		if err := b.copy(ctx, &b.zstd, "&compression=zstd"); err != nil {
			return err
		}
	}
	quick := []row{
		b.first.row("deploy-push, all of it new", "signed, read back, manifest written"),
		b.again.row("deploy-push, nothing new", "every narinfo and NAR looked at, every narinfo read back"),
		b.zstd.row("nix copy, with ?compression=zstd", "plain HTTP PUT to a public bucket of the same server; signed, nothing read back"),
	}
	table{unit: "s", baseline: 2, rows: quick}.show(os.Stdout)
	if os.Getenv(quickVariable) == "1" {
		return nil
	}
	if err := b.copy(ctx, &b.xz, ""); err != nil {
		return err
	}
	quick[0].budget = b.xz.took.median() / 5
	fmt.Println("The same beside what nix copy does unless it is told otherwise; the budget is a fifth of it.")
	table{unit: "s", baseline: 3, rows: append(quick, b.xz.row("nix copy, as it comes (xz)", "to the same place"))}.show(os.Stdout)
	return nil
}

// quickVariable=1 leaves out what takes minutes.
const quickVariable = "BENCH_QUICK"

// upload is one way to send the closure.
type upload struct {
	took, cpu samples
}

// row also says what the client used of the processors: on a busy machine that tells more
// than the time that went by.
func (u upload) row(what, note string) row {
	return row{what: what, samples: u.took, note: fmt.Sprintf("%s s of CPU; %s", short(u.cpu.median()), note)}
}

func (u *upload) run(ctx context.Context, name string, args ...string) error {
	began := time.Now()
	cmd, _, err := run1(ctx, local, name, args...)
	if err != nil {
		return err
	}
	u.took = append(u.took, time.Since(began).Seconds())
	u.cpu = append(u.cpu, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	return nil
}

type pushBench struct {
	path, addr string
	paths      int
	size       int64
	round      int

	first, again, zstd, xz upload
}

func (b *pushBench) prepare(ctx context.Context) error {
	if _, _, err := run1(ctx, nil, "deploy-manifest", "keygen", "bench-1"); err != nil {
		return err
	}
	_, closure, err := run1(ctx, local, "nix-store", "--query", "--requisites", b.path)
	if err != nil {
		return err
	}
	paths := strings.Fields(closure)
	_, sizes, err := run1(ctx, local, "nix-store", append([]string{"--query", "--size"}, paths...)...)
	if err != nil {
		return err
	}
	for _, s := range strings.Fields(sizes) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return err
		}
		b.size += n
	}
	b.paths = len(paths)
	return nil
}

// ours pushes twice to a new prefix: all of it, and then nothing of it.
func (b *pushBench) ours(ctx context.Context) error {
	b.round++
	store := fmt.Sprintf("s3://%s/round%d?endpoint=%s&profile=%s&region=us-east-1&scheme=http", env.Bucket, b.round, b.addr, env.AWSProfile)
	if _, _, err := run1(ctx, nil, "deploy-manifest", "init", "--store", store); err != nil {
		return err
	}
	service := `{"name":"web","hosts":["biz"],"env":{"PORT":"8080"},"http":{"domain":"www.example.com","internalPort":8080}}`
	if _, _, err := run1(ctx, nil, "deploy-manifest", "add-service", service, "--store", store); err != nil {
		return err
	}
	for _, u := range []*upload{&b.first, &b.again} {
		if err := u.run(ctx, "deploy-push", "web", b.path, "--store", store, "--commit", ""); err != nil {
			return err
		}
	}
	return nil
}

// copy is what a person without deploy-push would do.
func (b *pushBench) copy(ctx context.Context, u *upload, parameters string) error {
	b.round++
	url := fmt.Sprintf("http://%s/%s/round%d?secret-key=/root/.config/deployer/bench-1.secret%s", b.addr, plainBucket, b.round, parameters)
	return u.run(ctx, "nix", "--extra-experimental-features", "nix-command", "copy", "--to", url, b.path)
}

// local makes Nix use the machine's store without its daemon.
var local = []string{"NIX_REMOTE=local"} //nolint:gochecknoglobals // a constant list

// run1 runs a command and gives what it printed; what it says when it fails is in the error.
func run1(ctx context.Context, environ []string, name string, args ...string) (*exec.Cmd, string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), environ...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("running %s: %w: %s%s", name, err, out, said.String())
	}
	return cmd, string(out), nil
}
