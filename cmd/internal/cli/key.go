package cli

import (
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// KeyEnv names the environment variable with the file of the signing key.
const KeyEnv = "DEPLOYER_SIGNING_KEY"

// ConfigDir is where a person's configuration and keys live: ~/.config/deployer.
func ConfigDir() string { return filepath.Dir(configFiles()[0]) }

// SigningKey finds the file with the secret Nix key: the flag, DEPLOYER_SIGNING_KEY,
// signingKey in the configuration, or the only *.secret in ConfigDir.
func SigningKey(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if file := os.Getenv(KeyEnv); file != "" {
		return file, nil
	}
	var c struct {
		SigningKey string `json:"signingKey"`
	}
	config := configFiles()[0]
	if data, err := os.ReadFile(config); err == nil {
		if err := yaml.Unmarshal(data, &c); err != nil {
			return "", Usagef("%s is not valid YAML: %w", config, err)
		}
	}
	if c.SigningKey != "" {
		return c.SigningKey, nil
	}
	found, err := filepath.Glob(filepath.Join(ConfigDir(), "*.secret"))
	switch {
	case err != nil:
		return "", err
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", Usagef("there is no signing key: `deploy-manifest keygen NAME` makes one, or name its file with --key")
	}
	return "", Usagef("there are %d keys in %s: say which one with --key, %s, or signingKey in %s", len(found), ConfigDir(), KeyEnv, config)
}
