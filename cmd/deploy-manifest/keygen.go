package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/providers/nix"
)

const (
	secretSuffix = ".secret"
	publicSuffix = ".public"
)

func keygenCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "keygen NAME",
		Short: "Make a key that signs closures",
		Long: `keygen makes a pair of keys in Nix's own format. The secret one goes into
~/.config/deployer/NAME.secret (mode 0600), where deploy-push finds it, and the public one
beside it, as NAME.public: hosts accept closures only with a signature of a key that they
trust. NAME is part of every signature: give each key its own, such as acme-1. A file that
is there is never overwritten.`,
		Example: `  deploy-manifest keygen acme-1
  deploy-manifest keygen acme-1 --out /run/keys/acme-1.secret`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error { return keygen(c.OutOrStdout(), args[0], out) },
	}
	c.Flags().StringVar(&out, "out", "", "the file for the secret key")
	return c
}

func keygen(w io.Writer, name, secretFile string) error {
	secret, public, err := nix.GenerateKey(name)
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	if secretFile == "" {
		secretFile = filepath.Join(cli.ConfigDir(), name+secretSuffix)
		if err := os.MkdirAll(filepath.Dir(secretFile), 0o700); err != nil {
			return fmt.Errorf("making the directory for keys: %w", err)
		}
	}
	publicFile := strings.TrimSuffix(secretFile, secretSuffix) + publicSuffix
	if _, err := os.Lstat(publicFile); err == nil {
		return fileThere(publicFile)
	}
	if err := writeNew(secretFile, secret, 0o600); err != nil {
		return err
	}
	if err := writeNew(publicFile, public, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(w, "secret key: %s (keep it to yourself; deploy-push signs with it)\n", secretFile)
	fmt.Fprintf(w, "public key: %s, and in %s\n", public, publicFile)
	fmt.Fprintf(w, "on every host, in %s:\n  trustedPublicKeys: [%q]\n", cli.HostConfigPath, public)
	return nil
}

// writeNew writes a file that must not be there yet, with its mode from the first byte on.
func writeNew(path, line string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fileThere(path)
	}
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	_, err = io.WriteString(f, line+"\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing a key: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

func fileThere(path string) error {
	return fmt.Errorf("%s is there already and was left as it is: give the new key another name, such as one with the next number", path)
}
