package objectstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// explain turns any unclear answer into an *Error. Certain answers are sorted out before.
func (b *bucket) explain(ctx context.Context, a attempt, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Op: a.op, Key: a.key, Store: b.loc.String(), Err: err}
	var answer *smithyhttp.ResponseError
	var credentials *credentialsError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Reason, e.Advice = Slow, "the store did not answer in the time given; try again, or look at its load and the line to it"
	case ctx.Err() != nil:
		e.Reason, e.Advice = Cancelled, "cancelled before the store answered"
	case errors.Is(err, errNoAnswer):
		e.Reason = Slow
		e.Advice = fmt.Sprintf("%s did not answer within %s; look at its load and the line to it", b.server(), b.o.HeaderTimeout)
	case errors.Is(err, errStalled):
		e.Reason = Slow
		e.Advice = fmt.Sprintf("%s stood still for %s in the middle of an answer; look at its load and the line to it", b.server(), b.o.StallTimeout)
	case errors.As(err, &credentials):
		e.Reason, e.Advice = CredentialsMissing, b.session.advice(err)
	case errors.As(err, &answer) && statusOf(err) != 0:
		b.explainAnswer(e, answer)
	case errors.Is(err, errNoLength), errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason = BadAnswer
		e.Advice = fmt.Sprintf("the answer of %s was cut short or had no length; check that no proxy stands between", b.server())
	default:
		e.Reason, e.Advice = StoreUnreachable, b.explainNetwork(err)
	}
	return e
}

// answerAdvice is reason and way out of the error codes that S3 servers give.
type answerAdvice struct{ reason, advice string }

func byCode(code string) (answerAdvice, bool) {
	a, ok := map[string]answerAdvice{
		"NoSuchBucket":          {NoSuchBucket, "the bucket does not exist at %s; create it, or correct the store URL"},
		"ExpiredToken":          {CredentialsExpired, "the credentials for %s have expired; renew them (they are read again by themselves)"},
		"TokenRefreshRequired":  {CredentialsExpired, "the credentials for %s have expired; renew them (they are read again by themselves)"},
		"InvalidAccessKeyId":    {CredentialsInvalid, "%s does not know this access key; check profile= and the credentials file"},
		"XAdminUserNotFound":    {CredentialsInvalid, "%s does not know this access key; check profile= and the credentials file"},
		"SignatureDoesNotMatch": {CredentialsInvalid, "%s refused the signature; check the secret key, and region= if it is set"},
		"InvalidToken":          {CredentialsInvalid, "%s refused the session token; renew the credentials"},
		"RequestTimeTooSkewed":  {ClockSkewed, "%s refused the request because this machine's clock is off; set the clock"},
		"RequestExpired":        {ClockSkewed, "%s refused the request because this machine's clock is off; set the clock"},
		"SlowDown":              {Slow, "%s asks to be called less often; it is tried again later"},
		"TooManyRequests":       {Slow, "%s asks to be called less often; it is tried again later"},
		"RequestTimeout":        {Slow, "%s waited too long for the request; look at the line to it"},
		"NotImplemented":        {NotSupported, "%s cannot do this kind of request; use another S3 server, or a newer one"},
		"ObjectParentIsFile":    {KeyClash, "%s keeps objects as files, and a part of this key is an object already; choose another key"},
		"ExistingObjectIsDirectory": {
			KeyClash,
			"%s keeps objects as files, and other objects lie below this key; choose another key",
		},
		"EntityTooLarge": {TooLarge, "%s takes no objects that large"},
	}[code]
	return a, ok
}

func byStatus(status int) answerAdvice {
	switch {
	case status == http.StatusUnauthorized:
		return answerAdvice{CredentialsInvalid, "%s wants other credentials; check profile= and the credentials file"}
	case status == http.StatusForbidden:
		return answerAdvice{AccessDenied, "%s denied access; allow it for this user (a missing object looks the same to a user who may not list the bucket)"}
	case status == http.StatusTooManyRequests:
		return answerAdvice{Slow, "%s asks to be called less often; it is tried again later"}
	case status == http.StatusNotImplemented:
		return answerAdvice{NotSupported, "%s cannot do this kind of request; use another S3 server, or a newer one"}
	case status >= 500:
		return answerAdvice{ServerError, "%s answered with an error of its own (" + strconv.Itoa(status) + "); look at the server's log"}
	}
	return answerAdvice{BadAnswer, "%s answered " + strconv.Itoa(status) + ", which makes no sense here; check that endpoint= is an S3 server"}
}

func (b *bucket) explainAnswer(e *Error, answer *smithyhttp.ResponseError) {
	status, header := answer.HTTPStatusCode(), answer.Response.Header
	e.Wait = retryAfter(header)
	code := codeOf(answer)
	if region := header.Get("X-Amz-Bucket-Region"); region != "" && (status == 301 || status == 307 || status == 400) && region != b.loc.Region {
		e.Reason = WrongRegion
		e.Advice = fmt.Sprintf("the bucket lives in region %s; add region=%s to the store URL", region, region)
		return
	}
	a, known := byCode(code)
	if !known {
		a = byStatus(status)
	}
	if status < 300 {
		a = answerAdvice{BadAnswer, "%s gave an answer that is none of S3's; check that endpoint= is an S3 server and no login page stands between"}
	}
	e.Reason, e.Advice = a.reason, fmt.Sprintf(a.advice, b.server())
	if !known && code != "" && status < 500 && status != http.StatusForbidden {
		e.Advice += fmt.Sprintf(" (it said %s)", code)
	}
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// statusOf is 0 when no answer came; the SDK makes a ResponseError of that too.
func statusOf(err error) int {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil || answer.Response.Response == nil {
		return 0
	}
	return answer.HTTPStatusCode()
}

// retryAfter reads seconds or an HTTP date; the date is measured against the server's
// own clock, so that ours need not be right.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

func (b *bucket) explainNetwork(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return fmt.Sprintf("the proxy of the environment (https_proxy) does not answer; correct it, or add the store's host to no_proxy (%s)", lastLine(err))
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved; check endpoint= and this machine's DNS", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s; check endpoint= and that the store runs", b.server())
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("there is no route to %s; check this machine's network", b.server())
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Sprintf("%s does not speak https; add scheme=http to the store URL if that is meant", b.server())
	case isCertificate(err):
		return fmt.Sprintf("the certificate of %s is not trusted (%s); add its CA with AWS_CA_BUNDLE", b.server(), lastLine(err))
	}
	return fmt.Sprintf("no answer from %s (%s); check endpoint= and that the store runs", b.server(), lastLine(err))
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname)
}

// notDone: the request certainly had no effect, because it never left or was turned away.
func notDone(e *Error) bool {
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(e.Err, &dns) || (errors.As(e.Err, &op) && op.Op == "dial") {
		return true
	}
	return statusOf(e.Err) == http.StatusTooManyRequests || codeOf(e.Err) == "SlowDown"
}

// server names the other side as people know it.
func (b *bucket) server() string {
	if b.loc.Endpoint == "" {
		return "Amazon S3"
	}
	u, err := url.Parse(b.loc.Endpoint)
	if err != nil {
		return "the store"
	}
	return u.Host
}

// lastLine is the innermost error's text: the SDK wraps a cause five times.
func lastLine(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
