package env

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	// Bucket is the lab's private bucket.
	Bucket = "deployer"
	// Writer is the S3 user of the people who write manifests and upload closures.
	Writer = "writer"
	// rootUser is the server's administrator, whom nobody else uses.
	rootUser = "root"

	s3Port   = 7070
	s3Region = "us-east-1"
)

// HostUser is the S3 user of a host: it reads what a host needs and writes its own report.
func HostUser(host string) string { return "host-" + host }

// S3 is the lab's object store: versitygw in a network namespace of its own, known to the hosts
// as "s3". Its data stays over Stop and Start.
type S3 struct{ lab *Lab }

func newS3(lab *Lab) *S3 { return &S3{lab: lab} }

func (s *S3) addr() string { return s.lab.net.addr(s3Number) }

// Endpoint is host:port as the outer machine reaches it; the scheme is http.
func (s *S3) Endpoint() string { return fmt.Sprintf("%s:%d", s.addr(), s3Port) }

// URL is the store's URL for somebody who knows the server as host ("s3" on the lab's hosts, ""
// for its address) and has the credentials under profile.
func (s *S3) URL(host, profile string) string {
	if host == "" {
		host = s.addr()
	}
	return fmt.Sprintf("s3://%s?endpoint=%s:%d&profile=%s&region=%s&scheme=http", Bucket, host, s3Port, url.QueryEscape(profile), s3Region)
}

// Secret is the secret key of a user, whose access key is the user's name.
func (s *S3) Secret(user string) string {
	s.lab.mu.Lock()
	defer s.lab.mu.Unlock()
	return s.lab.record.Secrets[user]
}

func (s *S3) credentials(profile, user string) []byte {
	return fmt.Appendf(nil, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", profile, user, s.Secret(user))
}

// WriterProfile is the profile of CredentialsFile.
const WriterProfile = "deployer-lab"

// CredentialsFile is for AWS_SHARED_CREDENTIALS_FILE on the outer machine: the writer's keys
// under WriterProfile.
func (s *S3) CredentialsFile() string { return filepath.Join(s.lab.stateDir(), "credentials") }

// Client is an S3 client of a user (Writer, HostUser(…)), to look at or to spoil what is stored.
func (s *S3) Client(user string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:               aws.String("http://" + s.Endpoint()),
		Region:                     s3Region,
		UsePathStyle:               true,
		Credentials:                credentials.NewStaticCredentialsProvider(user, s.Secret(user), ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

// Start starts the server if it is off and returns when it answers.
func (s *S3) Start(ctx context.Context) error {
	if s.Running() {
		return nil
	}
	if err := s.start(ctx, s.lab.cgroup.child("s3")); err != nil {
		return fmt.Errorf("starting the S3 server of lab %s: %w", s.lab.Name, err)
	}
	return nil
}

func (s *S3) start(ctx context.Context, group cgroup) error {
	if err := errors.Join(group.create(), s.lab.net.join(ctx, "s3", s3Number)); err != nil {
		return err
	}
	objects, users := filepath.Join(s.lab.diskDir(), "s3", "objects"), filepath.Join(s.lab.diskDir(), "s3", "users")
	if err := errors.Join(os.MkdirAll(objects, 0o755), os.MkdirAll(users, 0o700)); err != nil {
		return err
	}
	if err := os.WriteFile(s.CredentialsFile(), s.credentials(WriterProfile, Writer), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.lab.stateDir(), "s3.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	gateway, err := s.gateway()
	if err != nil {
		return err
	}
	cmd := exec.Command("nsenter", "--net="+namespacePath(s.lab.net.namespace("s3")), "--", gateway,
		"--port", s.Endpoint(), "--iam-dir", users, "--keep-alive", "--health", "/health", "posix", objects)
	cmd.Env = s.adminEnv()
	cmd.Stdout, cmd.Stderr = log, log
	exited, err := startDetached(cmd, group)
	if err != nil {
		return err
	}
	if err := s.waitHealthy(ctx, exited); err != nil {
		return fmt.Errorf("%w; its log ends:\n%s", err, tail(log.Name()))
	}
	return s.prepare(ctx)
}

func (s *S3) gateway() (string, error) {
	tools, err := ToolsDir()
	return filepath.Join(tools, "versitygw"), err
}

func (s *S3) adminEnv() []string {
	return []string{"ROOT_ACCESS_KEY=" + rootUser, "ROOT_SECRET_KEY=" + s.Secret(rootUser)}
}

func (s *S3) waitHealthy(ctx context.Context, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for {
		response, err := client.Get("http://" + s.Endpoint() + "/health")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("waiting for it to answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Running says whether the server is on.
func (s *S3) Running() bool { return len(s.lab.cgroup.child("s3").pids()) > 0 }

// Stop ends the server at once, as if it had crashed; clients see connections refused.
func (s *S3) Stop(ctx context.Context) error {
	if err := s.lab.cgroup.child("s3").end(); err != nil {
		return fmt.Errorf("stopping the S3 server of lab %s: %w", s.lab.Name, err)
	}
	// A killed process leaves its cgroup a moment before its sockets close.
	for {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", s.Endpoint())
		if err != nil {
			return ctx.Err()
		}
		conn.Close()
		time.Sleep(2 * time.Millisecond)
	}
}

// addHost makes a host's S3 user, once; the state lock is held.
func (s *S3) addHost(ctx context.Context, host string) error {
	user := HostUser(host)
	if s.Secret(user) != "" {
		return nil
	}
	s.lab.mu.Lock()
	s.lab.record.Secrets[user] = rand.Text()
	s.lab.mu.Unlock()
	if err := s.createUser(ctx, user); err != nil {
		return err
	}
	if err := s.putPolicy(ctx); err != nil {
		return err
	}
	return s.lab.save()
}
