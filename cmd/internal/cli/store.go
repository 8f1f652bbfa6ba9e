package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"deployer/providers"
	"deployer/providers/objectstore"
)

// EmbeddedStore is the store of one machine without S3: used only by root, on a host with
// the daemon, after init made it.
const EmbeddedStore = "file:///var/lib/biz-deployer/store"

// HostConfigPath is the daemon's configuration.
const HostConfigPath = "/etc/biz-deployer/config.yaml"

// StoreEnv names the environment variable with the store's URL.
const StoreEnv = "DEPLOYER_STORE"

var errNoStore = errors.New("no store is given")

// StoreURL finds the store: the flag, DEPLOYER_STORE, ~/.config/deployer/config.yaml,
// /etc/biz-deployer/config.yaml, and then the embedded one. From says where it was found.
func StoreURL(flag string) (url, from string, err error) {
	if flag != "" {
		return flag, "--store", nil
	}
	if v := os.Getenv(StoreEnv); v != "" {
		return v, StoreEnv, nil
	}
	for _, path := range configFiles() {
		switch url, err := storeIn(path); {
		case err != nil:
			return "", "", err
		case url != "":
			return url, path, nil
		}
	}
	if os.Geteuid() == 0 && exists(HostConfigPath) && exists(EmbeddedStore[len("file://"):]) {
		return EmbeddedStore, "the embedded default", nil
	}
	return "", "", Usagef("%w: say --store 's3://bucket?endpoint=…&profile=…', set %s, "+
		"or write `store: …` into %s", errNoStore, StoreEnv, configFiles()[0])
}

// OpenStore opens the store that StoreURL finds.
func OpenStore(ctx context.Context, flag string) (providers.Objects, objectstore.Location, error) {
	return openStore(ctx, flag, objectstore.Options{})
}

// InitStore is OpenStore for `init`: it makes the directory of a file store, and takes the
// embedded one although it is not there yet.
func InitStore(ctx context.Context, flag string) (providers.Objects, objectstore.Location, error) {
	if _, _, err := StoreURL(flag); errors.Is(err, errNoStore) && os.Geteuid() == 0 && exists(HostConfigPath) {
		flag = EmbeddedStore
	}
	return openStore(ctx, flag, objectstore.Options{Create: true})
}

func openStore(ctx context.Context, flag string, o objectstore.Options) (providers.Objects, objectstore.Location, error) {
	url, from, err := StoreURL(flag)
	if err != nil {
		return nil, objectstore.Location{}, err
	}
	loc, err := objectstore.Parse(url)
	if err != nil {
		return nil, loc, Usagef("the store from %s: %w", from, err)
	}
	objects, err := objectstore.Open(ctx, url, o)
	return objects, loc, err
}

// configFiles are where a store may be written down, first one first.
func configFiles() []string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, _ := os.UserHomeDir()
		dir = filepath.Join(home, ".config")
	}
	return []string{filepath.Join(dir, "deployer", "config.yaml"), HostConfigPath}
}

// storeIn reads the key `store` of a configuration file, if there is one and it can be read.
func storeIn(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	var c struct {
		Store string `json:"store"`
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		return "", Usagef("%s is not valid YAML: %w", path, err)
	}
	return c.Store, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ReadInput reads a file, or standard input for "-".
func ReadInput(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, Usagef("there is no file %s", path)
	}
	if err != nil {
		return nil, Usagef("reading a file: %w", err)
	}
	return data, nil
}
