package nix

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"
)

// keyName is stricter than Nix: names go into command lines, configuration and messages.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// GenerateKey makes a key pair in Nix's own format, name:base64. The name tells people
// whose key it is, as in "acme-deploy-1"; a signature names the key that made it, so two
// keys of one name must never be in use at once.
func GenerateKey(name string) (secret, public string, err error) {
	if !keyName.MatchString(name) {
		return "", "", fmt.Errorf("generating a key: name %q is not letters, digits, dots, dashes and underscores", name)
	}
	s, p, err := signature.GenerateKeypair(name, rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("generating key %s: %w", name, err)
	}
	return s.String(), p.String(), nil
}

// PublicKey is the public half of a secret key, as GenerateKey or Nix wrote it.
func PublicKey(secret string) (string, error) {
	key, err := parseSecretKey(secret)
	if err != nil {
		return "", err
	}
	return key.ToPublicKey().String(), nil
}

// CheckPublicKey tells what is wrong with a trusted key in a configuration.
func CheckPublicKey(public string) error {
	_, err := parsePublicKeys([]string{public})
	return err
}

func parseSecretKey(secret string) (signature.SecretKey, error) {
	key, err := signature.LoadSecretKey(strings.TrimSpace(secret))
	if err != nil {
		// The parser's own error could repeat bytes of the key.
		return signature.SecretKey{}, fmt.Errorf("reading a secret key: it is not name:base64 as `deploy-manifest keygen` or `nix key generate-secret` writes it")
	}
	return key, nil
}

// parsePublicKeys refuses what looks like a secret key without repeating it.
func parsePublicKeys(public []string) ([]signature.PublicKey, error) {
	keys := make([]signature.PublicKey, 0, len(public))
	for _, p := range public {
		key, err := signature.ParsePublicKey(p)
		if err != nil || !keyName.MatchString(key.Name) {
			name, _, _ := strings.Cut(p, ":")
			return nil, fmt.Errorf("trusted public key %q is not name:base64 with 32 bytes, as `deploy-manifest keygen` or `nix key convert-secret-to-public` writes it", name+":…")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// signers names the keys with a good signature on a narinfo. Unlike go-nix's VerifyFirst
// it looks at every signature: one bad one must not hide a good one.
func signers(info *narinfo.NarInfo, keys []signature.PublicKey) []string {
	fingerprint := info.Fingerprint()
	var names []string
	for _, key := range keys {
		for _, sig := range info.Signatures {
			if key.Verify(fingerprint, sig) {
				names = append(names, key.Name)
				break
			}
		}
	}
	return names
}
