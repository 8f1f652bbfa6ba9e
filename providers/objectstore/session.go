package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

const defaultRegion = "us-east-1"

// session owns the SDK client and makes a new one when the credential files change, so
// that a rotated key needs no restart.
type session struct {
	loc Location
	o   Options

	mu sync.Mutex
	using
	stamp string
}

// using is what one reading of the credentials led to.
type using struct {
	client    *s3.Client
	creds     *watchedCredentials
	transport *http.Transport
}

// current gives the client that fits the credential files as they are now.
func (s *session) current(ctx context.Context) (*s3.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stamp := stampOf(s.credentialFiles())
	if s.client == nil || stamp != s.stamp {
		before := s.transport
		if err := s.load(ctx); err != nil {
			return nil, err
		}
		if before != nil {
			before.CloseIdleConnections()
		}
		s.stamp = stamp
	}
	return s.client, nil
}

// renew reads the credentials again, wherever they come from, and reports whether they
// differ from those that were refused. When they do not, asking again is in vain.
func (s *session) renew(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.creds == nil {
		return false
	}
	before := s.using
	used := before.creds.last()
	if err := s.load(ctx); err != nil {
		return false
	}
	now, err := s.creds.Retrieve(ctx)
	if err == nil && (now.AccessKeyID != used.AccessKeyID ||
		now.SecretAccessKey != used.SecretAccessKey || now.SessionToken != used.SessionToken) {
		before.transport.CloseIdleConnections()
		return true
	}
	s.using = before // its connections are warm
	return false
}

func (s *session) load(ctx context.Context) error {
	cfg, err := config.LoadDefaultConfig(ctx, s.loadOptions()...)
	if err != nil {
		return &credentialsError{err: err}
	}
	// Through BuildableClient and back: only so does AWS_CA_BUNDLE reach the transport.
	buildable, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return fmt.Errorf("the SDK gave an HTTP client of type %T", cfg.HTTPClient)
	}
	s.transport = buildable.GetTransport()
	s.creds = &watchedCredentials{next: cfg.Credentials, o: s.o}
	s.client = s3.NewFromConfig(cfg, s.clientOptions)
	return nil
}

func (s *session) loadOptions() []func(*config.LoadOptions) error {
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.Proxy = proxyFor(s.o.Proxy)
			t.MaxIdleConnsPerHost = 32
		})),
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
		config.WithLogger(logging.Nop{}),
	}
	if s.loc.Region != "" {
		opts = append(opts, config.WithRegion(s.loc.Region))
	}
	if !s.amazon() {
		// A machine's role is Amazon's own; elsewhere asking for it only costs seconds.
		opts = append(opts, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	// By name, so that the files that are read are the files that are watched.
	files := s.credentialFiles()
	opts = append(opts, config.WithSharedCredentialsFiles(files[:1]), config.WithSharedConfigFiles(files[1:]))
	profile := s.loc.Profile
	if profile == "" && s.o.CredentialsFile != "" {
		profile = config.DefaultSharedConfigProfile
	}
	if profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(profile))
	}
	return opts
}

func (s *session) clientOptions(o *s3.Options) {
	o.HTTPClient = newPatientClient(s.transport, s.o)
	o.Credentials = s.creds
	o.Retryer = aws.NopRetryer{} // we try again ourselves: see attempt.go
	o.UsePathStyle = s.loc.PathStyle
	o.DisableLogOutputChecksumValidationSkipped = true
	if s.loc.Endpoint != "" {
		o.BaseEndpoint = aws.String(s.loc.Endpoint)
	}
	if o.Region == "" {
		o.Region = defaultRegion
	}
}

func (s *session) amazon() bool {
	if s.loc.Endpoint == "" {
		return true
	}
	u, err := url.Parse(s.loc.Endpoint)
	return err == nil && (strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn"))
}

// credentialFiles are the files for this store: the credentials, then the configuration.
func (s *session) credentialFiles() []string {
	creds, conf := s.o.CredentialsFile, os.Getenv("AWS_CONFIG_FILE")
	if creds == "" {
		creds = os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	}
	if creds == "" {
		creds = config.DefaultSharedCredentialsFilename()
	}
	if conf == "" {
		conf = config.DefaultSharedConfigFilename()
	}
	return []string{creds, conf}
}

// stampOf changes whenever one of the files does.
func stampOf(files []string) string {
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintf(&b, "%s absent\n", f)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", f, info.ModTime().UnixNano(), info.Size())
	}
	return b.String()
}

// credentialsError: there are no credentials to sign with.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// advice says which file is wrong, and how.
func (s *session) advice(err error) string {
	files := s.credentialFiles()
	var noProfile config.SharedConfigProfileNotExistError
	profile := s.loc.Profile
	if errors.As(err, &noProfile) {
		profile = noProfile.Profile
	}
	section := "[" + profile + "]"
	if profile == "" {
		section = "[default]"
	}
	f, openErr := os.Open(files[0])
	if openErr == nil {
		_ = f.Close()
	}
	const keys = "aws_access_key_id and aws_secret_access_key"
	switch {
	case errors.Is(openErr, fs.ErrPermission):
		return fmt.Sprintf("the credentials in %s may not be read by this user; run as its owner or change its mode", files[0])
	case errors.Is(openErr, fs.ErrNotExist):
		return fmt.Sprintf("no credentials: %s does not exist; write %s under %s there, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", files[0], keys, section)
	case errors.As(err, &noProfile):
		return fmt.Sprintf("no credentials: there is no profile %s in %s; add it, or name another with profile=", section, files[0])
	}
	return fmt.Sprintf("no usable credentials under %s in %s; it needs %s (%s)", section, files[0], keys, lastLine(err))
}

// watchedCredentials remembers what was signed with, and bounds how long a source may
// take: some ask a server.
type watchedCredentials struct {
	next aws.CredentialsProvider
	o    Options

	mu   sync.Mutex
	used aws.Credentials
}

// Retrieve gives the SDK what it signs with.
func (w *watchedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if w.next == nil {
		return aws.Credentials{}, &credentialsError{err: errors.New("no source of credentials")}
	}
	bounded, cancel := context.WithTimeout(ctx, w.o.HeaderTimeout)
	defer cancel()
	c, err := w.next.Retrieve(bounded)
	if err != nil {
		if ctx.Err() != nil {
			return c, err
		}
		return c, &credentialsError{err: err}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = c
	return c, nil
}

func (w *watchedCredentials) last() aws.Credentials {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
}
