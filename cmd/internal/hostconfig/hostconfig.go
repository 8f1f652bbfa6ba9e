// Package hostconfig reads the configuration of the daemon on one host.
package hostconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/messenger"
	"deployer/providers/objectstore"
)

// Path is where the daemon's configuration lives.
const Path = "/etc/biz-deployer/config.yaml"

// Config is /etc/biz-deployer/config.yaml; config/biz-deployer.yaml is a commented sample.
type Config struct {
	// Host is the name by which the manifest means this machine; the machine's own short
	// name when left out. It is pinned at the first start.
	Host string `json:"host,omitempty"`
	// Store holds manifest, cache and reports; the embedded file store when left out.
	Store string `json:"store,omitempty"`
	// Cache is where closures come from when that is not the store: http(s)://…, s3://… or
	// file://….
	Cache string `json:"cache,omitempty"`
	// TrustedPublicKeys are Nix keys, name:base64. A closure that none of them signed is refused.
	TrustedPublicKeys []string `json:"trustedPublicKeys"`
	Caddy             Caddy    `json:"caddy"`
	// Workers is how many services are worked on at once, Pulls how many closures.
	Workers int `json:"workers,omitempty"`
	Pulls   int `json:"pulls,omitempty"`
	Poll    struct {
		Min v1.Duration `json:"min,omitempty"`
		Max v1.Duration `json:"max,omitempty"`
	} `json:"poll"`
	// Report: what this host runs is written to status/<host>.json in the store.
	Report bool `json:"report"`
	// FullPass is how often everything is looked at.
	FullPass v1.Duration `json:"fullPass,omitempty"`
	Sweep    Sweep       `json:"sweep"`
	Verify   Verify      `json:"verify"`
	// UnitDirectory is where unit links go.
	UnitDirectory string  `json:"unitDirectory,omitempty"`
	Metrics       Metrics `json:"metrics"`
	Notify        Notify  `json:"notify"`
}

// Notify says who hears of what goes wrong on this host.
type Notify struct {
	// Command gets each message as JSON on its standard input: a program and its arguments.
	Command []string `json:"command,omitempty"`
	// Webhook gets each message as a POST of JSON.
	Webhook string `json:"webhook,omitempty"`
}

// Messengers are the targets that it names.
func (n Notify) Messengers() ([]providers.Messenger, error) {
	var out []providers.Messenger
	if len(n.Command) > 0 {
		if !filepath.IsAbs(n.Command[0]) {
			return nil, fmt.Errorf("notify.command: %q is no absolute path of a program", n.Command[0])
		}
		out = append(out, messenger.NewCommand(n.Command))
	}
	if n.Webhook != "" {
		webhook, err := messenger.NewWebhook(n.Webhook)
		if err != nil {
			return nil, fmt.Errorf("notify.webhook: %w", err) // the URL may hold a token
		}
		out = append(out, webhook)
	}
	return out, nil
}

// Caddy says how Caddy is reached.
type Caddy struct {
	// Admin is unix//path or http://localhost:2019.
	Admin string `json:"admin,omitempty"`
	// Server is the Caddy server our routes go into; the one on :443 when left out.
	Server string `json:"server,omitempty"`
}

// Sweep says how patient the search for what nobody wants is.
type Sweep struct {
	// Every is the time between two looks, Grace for how long a thing must be unwanted.
	Every v1.Duration `json:"every,omitempty"`
	Grace v1.Duration `json:"grace,omitempty"`
}

// Verify says how often the content of store paths is compared with what was registered.
type Verify struct {
	// Every is the time between two looks; off or 0 is never.
	Every Interval `json:"every"`
}

// Metrics says where Prometheus may ask, besides the control socket.
type Metrics struct {
	// Listen is a loopback address, 127.0.0.1:9464; nothing listens when left out.
	Listen string `json:"listen,omitempty"`
}

// Default has every default.
func Default() Config {
	c := Config{
		Store:    "file:///var/lib/biz-deployer/store",
		Caddy:    Caddy{Admin: "unix//run/caddy/admin.sock"},
		Workers:  4,
		Pulls:    2,
		Report:   true,
		FullPass: v1.Duration(time.Minute),
	}
	c.Poll.Min, c.Poll.Max = v1.Duration(2*time.Second), v1.Duration(15*time.Second)
	c.Sweep = Sweep{Every: v1.Duration(time.Hour), Grace: v1.Duration(10 * time.Minute)}
	c.Verify.Every = Interval(24 * time.Hour)
	c.UnitDirectory = providers.DefaultPaths().UnitDir
	return c
}

// Load reads a configuration; a missing file is an error with the way out.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("there is no configuration %s: `deployerctl install` writes one; --config names another", path)
	}
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse decodes strictly and checks.
func Parse(data []byte) (Config, error) {
	c := Default()
	raw, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return c, fmt.Errorf("not valid YAML: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if c.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("host: left out, and the machine has no name: %w", err)
		}
		c.Host, _, _ = strings.Cut(name, ".")
	}
	c.Host = strings.ToLower(c.Host) // host names in a manifest are lower case
	return c, c.check()
}

func (c Config) check() error {
	var problems []error
	if _, err := objectstore.Parse(c.Store); err != nil {
		problems = append(problems, fmt.Errorf("store: %w", err))
	}
	for i, key := range c.TrustedPublicKeys {
		if name, rest, ok := strings.Cut(key, ":"); !ok || name == "" || rest == "" {
			problems = append(problems, fmt.Errorf("trustedPublicKeys[%d]: %q is not a Nix public key, name:base64; `deploy-manifest keygen` prints one", i, key))
		}
	}
	if c.Workers < 1 || c.Pulls < 1 {
		problems = append(problems, fmt.Errorf("workers and pulls: %d and %d; both must be at least 1", c.Workers, c.Pulls))
	}
	if c.Poll.Min <= 0 || c.Poll.Max < c.Poll.Min {
		problems = append(problems, errors.New("poll: min must be positive, and max not below it"))
	}
	if c.FullPass < v1.Duration(time.Second) {
		problems = append(problems, errors.New("fullPass: must be at least 1s"))
	}
	if c.Sweep.Every < v1.Duration(time.Second) || c.Sweep.Grace < v1.Duration(time.Second) {
		problems = append(problems, errors.New("sweep: every and grace must be at least 1s"))
	}
	if c.Verify.Every != 0 && c.Verify.Every < Interval(time.Minute) {
		problems = append(problems, errors.New("verify.every: must be at least 1m, or off"))
	}
	if c.Metrics.Listen != "" {
		host, _, err := net.SplitHostPort(c.Metrics.Listen)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			problems = append(problems, fmt.Errorf("metrics.listen: %q is not a loopback address such as 127.0.0.1:9464", c.Metrics.Listen))
		}
	}
	if _, err := c.Notify.Messengers(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// Paths are the directories on this host.
func (c Config) Paths() providers.Paths {
	p := providers.DefaultPaths()
	p.UnitDir = c.UnitDirectory
	return p
}
