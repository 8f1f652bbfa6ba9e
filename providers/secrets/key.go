package secrets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"deployer/providers/internal/durable"
)

// keyFile is below the state directory. It is made once and never changes: with another
// key every service with secrets would get a new instance, and so a rollout.
const keyFile = "host.key"

const keySize = 32

// hostKey reads the host's key, or makes it when there is none.
func (s *Files) hostKey() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	key, err := s.loadKey()
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.makeKey(); err == nil || errors.Is(err, fs.ErrExist) {
			key, err = s.loadKey()
		}
	}
	if err != nil {
		return nil, unavailable(filepath.Join(s.paths.StateDir, keyFile), err)
	}
	if len(key) != keySize {
		name := filepath.Join(s.paths.StateDir, keyFile)
		return nil, fault(KeyBroken, nil,
			"%s is damaged: restore it, or delete it and every service with secrets starts anew", name)
	}
	s.key = key
	return key, nil
}

func (s *Files) loadKey() ([]byte, error) {
	root, err := os.OpenRoot(s.paths.StateDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.ReadFile(keyFile)
}

func (s *Files) makeKey() error {
	if err := os.MkdirAll(s.paths.StateDir, 0o755); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	root, err := os.OpenRoot(s.paths.StateDir)
	if err != nil {
		return err
	}
	defer root.Close()
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return durable.Create(root, keyFile, key, 0o600)
}
