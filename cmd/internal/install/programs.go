package install

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// programs are copied from beside this one, so that one of a fresh build brings the whole
// set. The last one is for machines that push, and no host needs it.
func (i *installer) programs(context.Context) error {
	from, err := i.source()
	if err != nil {
		return err
	}
	for _, name := range []string{"biz-deployer", "deployerctl", "deploy-manifest", "deploy-push"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		absent := errors.Is(err, fs.ErrNotExist)
		switch {
		case absent && name == "deploy-push":
			continue
		case absent && i.exists(filepath.Join(binDir, name)):
			i.say(OK, filepath.Join(binDir, name), "")
			continue
		case absent:
			return fmt.Errorf("%s is neither in %s nor in %s: build it with `make build`, and run bin/deployerctl install", name, from, binDir)
		case err != nil:
			return fmt.Errorf("reading a program: %w", err)
		}
		if err := i.program(name, data); err != nil {
			return err
		}
	}
	return nil
}

// source is where the programs come from.
func (i *installer) source() (string, error) {
	if i.From != "" {
		return i.From, nil
	}
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	return filepath.Dir(self), nil
}

// program installs one. What is there and was not built from this project is somebody's.
func (i *installer) program(name string, data []byte) error {
	path := filepath.Join(binDir, name)
	have, err := os.ReadFile(i.path(path))
	absent := errors.Is(err, fs.ErrNotExist)
	switch {
	case absent:
		i.say(Made, path, "")
	case err != nil:
		return fmt.Errorf("looking at a program: %w", err)
	case bytes.Equal(have, data):
		info, err := os.Stat(i.path(path))
		if err != nil {
			return fmt.Errorf("looking at a program: %w", err)
		}
		return i.putRight(path, info, program)
	case !isOurs(have, name) && !i.Force:
		i.say(Kept, path, "it is another program; --force replaces it and keeps it beside, as .bak")
		return nil
	case !isOurs(have, name):
		backup, err := i.backup(path)
		if err != nil {
			return err
		}
		i.say(Changed, path, "what was there is kept as "+backup)
	default:
		i.say(Changed, path, "another version")
	}
	if name == "biz-deployer" && !absent {
		i.restart["biz-deployer.service"] = true
	}
	return i.write(path, data, program)
}

// isOurs asks what Go noted in the program when it was built.
func isOurs(data []byte, name string) bool {
	info, err := buildinfo.Read(bytes.NewReader(data))
	return err == nil && info.Path == "deployer/cmd/"+name
}
