package objectstore

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The schemes of a store URL.
const (
	SchemeS3   = "s3"
	SchemeFile = "file"
)

// Location is a parsed store URL. It holds no credentials: those come from the usual AWS
// places, and a URL that carries some is refused.
type Location struct {
	// Scheme is SchemeS3 or SchemeFile.
	Scheme string
	// Dir is the absolute directory of a file store.
	Dir string
	// Bucket and Prefix say where in S3; Prefix has no slash at either end.
	Bucket, Prefix string
	// Endpoint is the URL of another S3 than Amazon's, with its scheme; else empty.
	Endpoint string
	// Region and Profile are empty when the URL does not say them.
	Region, Profile string
	// PathStyle puts the bucket in the path and not in the host name. Default: true with
	// an endpoint of one's own.
	PathStyle bool
}

// String is the URL in its plain form, safe to log.
func (l Location) String() string {
	if l.Scheme == SchemeFile {
		return (&url.URL{Scheme: SchemeFile, Path: l.Dir}).String()
	}
	u := url.URL{Scheme: SchemeS3, Host: l.Bucket}
	if l.Prefix != "" {
		u.Path = "/" + l.Prefix
	}
	q := url.Values{}
	if scheme, host, ok := strings.Cut(l.Endpoint, "://"); ok {
		q.Set("endpoint", host)
		q.Set("scheme", scheme)
	}
	if l.Region != "" {
		q.Set("region", l.Region)
	}
	if l.Profile != "" {
		q.Set("profile", l.Profile)
	}
	if l.PathStyle != (l.Endpoint != "") {
		q.Set("path-style", strconv.FormatBool(l.PathStyle))
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "%3A", ":")
	return u.String()
}

const urlForms = "s3://bucket?endpoint=…&profile=… or file:///dir"

// Parse reads a store URL. Its errors are one sentence, name the value that is wrong and
// never repeat a password.
func Parse(rawURL string) (Location, error) {
	loc, err := parse(rawURL)
	if err != nil {
		return Location{}, fmt.Errorf("reading store URL: %w", err)
	}
	return loc, nil
}

func parse(rawURL string) (Location, error) {
	if strings.TrimSpace(rawURL) == "" {
		return Location{}, fmt.Errorf("it is empty; write %s", urlForms)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		// url.Error repeats the whole URL, password included.
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return Location{}, fmt.Errorf("it is not a URL (%w); write %s", err, urlForms)
	}
	if u.User != nil {
		return Location{}, fmt.Errorf("credentials do not belong in it: put them into ~/.aws/credentials and name them with profile=")
	}
	if u.Fragment != "" {
		return Location{}, fmt.Errorf("#%s means nothing in it; write %s", u.Fragment, urlForms)
	}
	switch u.Scheme {
	case SchemeFile:
		return parseFile(u)
	case SchemeS3:
		return parseS3(u)
	case "":
		return Location{}, fmt.Errorf("%q has no scheme; write %s", rawURL, urlForms)
	}
	return Location{}, fmt.Errorf("unknown scheme %q%s; write %s", u.Scheme, didYouMean(u.Scheme, []string{SchemeS3, SchemeFile}), urlForms)
}

func parseFile(u *url.URL) (Location, error) {
	if u.Host != "" && u.Host != "localhost" {
		return Location{}, fmt.Errorf("file://%s%s names a host; write three slashes: file:///%s%s", u.Host, u.Path, u.Host, u.Path)
	}
	if u.RawQuery != "" {
		return Location{}, fmt.Errorf("a file store takes no parameters, and ?%s is one; leave it out", u.RawQuery)
	}
	if !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0) {
		return Location{}, fmt.Errorf("file:%s%s is not an absolute directory; write file:///dir", u.Opaque, u.Path)
	}
	dir := filepath.Clean(u.Path)
	if dir == "/" {
		return Location{}, errors.New("file:/// is the root of the machine; name a directory, as in file:///var/lib/biz-deployer/store")
	}
	return Location{Scheme: SchemeFile, Dir: dir}, nil
}

var (
	bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$`)
	plainWord  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]*$`)
)

func parseS3(u *url.URL) (Location, error) {
	loc := Location{Scheme: SchemeS3, Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	if loc.Bucket == "" {
		return loc, fmt.Errorf("it names no bucket; write s3://bucket?endpoint=…&profile=…")
	}
	if !bucketName.MatchString(loc.Bucket) {
		return loc, fmt.Errorf("%q is not a bucket name (3 to 63 letters, digits, dots and dashes); an endpoint goes into ?endpoint=", loc.Bucket)
	}
	if loc.Prefix != "" {
		if err := checkKey(loc.Prefix); err != nil {
			return loc, fmt.Errorf("prefix %q: %w", loc.Prefix, err)
		}
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return loc, fmt.Errorf("its parameters cannot be read (%w)", err)
	}
	if err := checkParameters(q); err != nil {
		return loc, err
	}
	return loc, loc.apply(q)
}

func s3Parameters() []string {
	return []string{"endpoint", "path-style", "profile", "region", "scheme"}
}

func checkParameters(q url.Values) error {
	known := s3Parameters()
	for _, name := range sortedNames(q) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown parameter %q%s; known are %s", name, didYouMean(name, known), strings.Join(known, ", "))
		}
		if len(q[name]) > 1 {
			return fmt.Errorf("parameter %q is there %d times; say it once", name, len(q[name]))
		}
		if q.Get(name) == "" {
			return fmt.Errorf("parameter %q is empty; give it a value or leave it out", name)
		}
	}
	return nil
}

func (l *Location) apply(q url.Values) error {
	for name, to := range map[string]*string{"region": &l.Region, "profile": &l.Profile} {
		*to = q.Get(name)
		if *to != "" && !plainWord.MatchString(*to) {
			return fmt.Errorf("%s=%q is not a name (letters, digits, dots and dashes)", name, *to)
		}
	}
	var err error
	if l.Endpoint, err = endpointURL(q.Get("endpoint"), q.Get("scheme")); err != nil {
		return err
	}
	l.PathStyle = l.Endpoint != ""
	if v := q.Get("path-style"); v != "" {
		if v != "true" && v != "false" {
			return fmt.Errorf("path-style=%q is neither true nor false", v)
		}
		l.PathStyle = v == "true"
	}
	return nil
}

// endpointURL joins endpoint= (with or without a scheme of its own) and scheme=.
func endpointURL(endpoint, scheme string) (string, error) {
	if scheme != "" && scheme != "http" && scheme != "https" {
		return "", fmt.Errorf("scheme=%q is neither http nor https", scheme)
	}
	if endpoint == "" {
		if scheme == "http" {
			return "", errors.New("scheme=http needs an endpoint=; without one the store is Amazon's, over https")
		}
		return "", nil
	}
	own, rest, found := strings.Cut(endpoint, "://")
	if !found {
		own, rest = "", endpoint
	}
	if own != "" && scheme != "" && own != scheme {
		return "", fmt.Errorf("endpoint says %s and scheme says %s; leave one of them out", own, scheme)
	}
	if own == "" {
		own = scheme
	}
	if own == "" {
		own = "https"
	}
	if own != "http" && own != "https" {
		return "", fmt.Errorf("the endpoint's scheme %q is neither http nor https", own)
	}
	u, err := url.Parse(own + "://" + strings.TrimSuffix(rest, "/"))
	switch {
	case err != nil:
		return "", errors.New("the endpoint is not host:port; write it as in endpoint=s3.example.com:9000")
	case u.User != nil:
		return "", errors.New("credentials do not belong in the endpoint: put them into ~/.aws/credentials and name them with profile=")
	case u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("endpoint=%q is not host:port; write it as in endpoint=s3.example.com:9000", endpoint)
	}
	return u.String(), nil
}
