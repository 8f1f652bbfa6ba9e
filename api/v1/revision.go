package v1

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// hashVersion is the first character of every revision. Change it together with the
// canonical encoding, knowing that every service of every host is then deployed anew.
const hashVersion = "1"

// revisionLength is the version and 55 bits: with three kept releases a service, a
// chance meeting is not to be expected.
const revisionLength = 12

// HasRelease reports whether there is something to deploy: false for a service without
// an artifact or with the placeholder, which is shown as Waiting.
func (s Service) HasRelease() bool {
	return s.Artifact != nil && s.Artifact.StorePath != "" && s.Artifact.StorePath != PlaceholderPath
}

// Release is the part of the service that needs a new process when it changes. Call it
// on what people wrote, never on a Service.Default: defaults are no part of the hash.
func (s Service) Release() Release {
	r := Release{
		Service:        s.Name,
		Exec:           s.Exec,
		Env:            s.Env,
		EnvFile:        s.EnvFile,
		HealthType:     s.writtenHealthType(),
		Systemd:        s.Systemd,
		Hardening:      s.Hardening,
		Resources:      s.Resources,
		StateDirectory: s.StateDirectory,
		Attempt:        s.Deploy.Attempt,
	}
	if s.Artifact != nil {
		r.StorePath, r.NarHash = s.Artifact.StorePath, s.Artifact.NarHash
	}
	if s.HTTP != nil {
		r.InternalPort = s.HTTP.InternalPort
	}
	return r
}

// writtenHealthType is empty for the type that follows from the rest.
func (s Service) writtenHealthType() HealthType {
	switch h := s.Health; {
	case h == nil:
		return ""
	case h.TCP:
		return HealthTCP
	case len(h.Exec) > 0:
		return HealthExec
	case h.Notify:
		return HealthNotify
	}
	return ""
}

// Revision is the short hash of the release: the hash version and 11 characters of
// base32hex, so it fits into file names and never holds a '-'. Null, absent and empty
// are the same; the order of keys does not matter.
func (r Release) Revision() string {
	sum := sha256.Sum256(append([]byte("deployer release 1\n"), canonical(r)...))
	text := strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))
	return hashVersion + text[:revisionLength-len(hashVersion)]
}

// Hash is the content hash of the manifest, sha256:<hex>: the same for the same content
// however the document was written. Manifest.Previous holds it.
func (m *Manifest) Hash() string {
	sum := sha256.Sum256(append([]byte("deployer manifest 1\n"), canonical(m.normalized())...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonical is JSON with sorted keys, no blanks and no HTML escapes. Empty fields are
// gone by omitempty and omitzero; entries of maps and lists stay, for FOO="" is not the
// same as no FOO. The types hold only what JSON can write, so there is no error.
func canonical(v any) []byte {
	first, err := json.Marshal(v)
	if err != nil {
		panic("encoding a manifest: " + err.Error())
	}
	d := json.NewDecoder(bytes.NewReader(first))
	d.UseNumber()
	var generic any
	if err := d.Decode(&generic); err != nil {
		panic("reading back a manifest: " + err.Error())
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(generic); err != nil {
		panic("encoding a manifest: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
