package env

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// AWSProfile is the profile that the hosts' credentials stand under.
const AWSProfile = "deployer"

func (h *Host) store(opts HostOptions) string {
	if opts.Store != "" {
		return opts.Store
	}
	return h.lab.S3.URL("s3", AWSProfile)
}

// credentials are the S3 keys that belong on the host: its own on a server, the writer's on a
// laptop.
func (h *Host) credentials() []byte {
	user := Writer
	if h.Kind == Server {
		user = HostUser(h.Name)
	}
	return h.lab.S3.credentials(AWSProfile, user)
}

// daemonConfig is the sample that ships in config/, so that every suite also proves the sample,
// with this host's values and the caller's laid over it.
func (h *Host) daemonConfig(opts HostOptions) ([]byte, error) {
	repo, err := RepoRoot()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(repo, "config/biz-deployer.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the sample configuration: %w", err)
	}
	config := map[string]any{}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	keys := opts.TrustedPublicKeys
	if keys == nil {
		keys = []string{}
	}
	overlay(config, map[string]any{"host": h.Name, "store": h.store(opts), "trustedPublicKeys": keys})
	overlay(config, opts.Config)
	data, err = yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("writing the configuration: %w", err)
	}
	return data, nil
}

// caddyConfig is the one that ships in config/, with certificates of Caddy's own authority:
// no public one reaches a lab; over is laid over it.
func caddyConfig(repo string, over map[string]any) ([]byte, error) {
	path := filepath.Join(repo, "config/caddy/caddy.json")
	data, err := os.ReadFile(path)
	config := map[string]any{}
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	overlay(config, map[string]any{"apps": map[string]any{
		"pki": map[string]any{"certificate_authorities": map[string]any{"local": map[string]any{"install_trust": false}}},
		"tls": map[string]any{"automation": map[string]any{
			"policies": []any{map[string]any{"issuers": []any{map[string]any{"module": "internal"}}}},
		}},
	}})
	overlay(config, over)
	return json.MarshalIndent(config, "", "  ")
}

// overlay lays over's values over base's, map by map; a nil removes the key.
func overlay(base, over map[string]any) {
	for key, value := range over {
		below, isMap := value.(map[string]any)
		there, wasMap := base[key].(map[string]any)
		switch {
		case value == nil:
			delete(base, key)
		case isMap && wasMap:
			there = maps.Clone(there)
			overlay(there, below)
			base[key] = there
		default:
			base[key] = value
		}
	}
}
