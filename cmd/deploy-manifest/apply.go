package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

func (a *app) applyCommand() *cobra.Command {
	var w write
	var file string
	var prune bool
	c := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Add and replace the services that a file lists",
		Long: `apply takes a manifest, or one service, in JSON or YAML ("-" is standard input). Services
that the file lists are added, or replaced as a whole; a service that it gives no release
keeps the one it has, so that a file in version control need not follow every push. What
the file lists in "removed" is removed. All other services stay, unless --prune is said.`,
		Example: `  deploy-manifest apply -f manifest.yaml --dry-run
  deploy-manifest apply -f manifest.yaml -m "more memory for web"
  deploy-manifest apply -f manifest.yaml --prune     # removes what the file does not list
  deploy-manifest show -o yaml > all.yaml; $EDITOR all.yaml; deploy-manifest apply -f all.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			wanted, _, err := readFile(c, file)
			if err != nil {
				return err
			}
			_, err = a.edit(c, w, func(m *v1.Manifest) error {
				return manifest.Apply(m, wanted, manifest.ApplyOptions{By: a.who(), Prune: prune})
			})
			return err
		},
	}
	fileFlag(c, &file)
	c.Flags().BoolVar(&prune, "prune", false, "also remove the services that the file does not list")
	w.flags(c)
	w.removalFlag(c)
	return c
}

func (a *app) validateCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "validate -f FILE",
		Short: "Say everything that is wrong with a manifest or a service",
		Long: `validate reads a manifest, or one service, in JSON or YAML ("-" is standard input), and
prints all problems at once, each with the path of its field. It asks no store.`,
		Example: `  deploy-manifest validate -f manifest.yaml
  deploy-manifest show | deploy-manifest validate -f -`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, what, err := readFile(c, file)
			if err != nil {
				return err
			}
			var names []string
			for _, s := range m.Services {
				names = append(names, s.Name)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is a valid %s: %s\n", fileName(file), what, strings.Join(names, ", "))
			return nil
		},
	}
	fileFlag(c, &file)
	return c
}

func fileFlag(c *cobra.Command, file *string) {
	c.Flags().StringVarP(file, "file", "f", "", "the file to read (-: standard input)")
	_ = c.MarkFlagFilename("file", "json", "yaml", "yml")
}

func fileName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

// readFile reads a manifest, or one service as a manifest of its own, and says which.
func readFile(c *cobra.Command, file string) (m *v1.Manifest, what string, err error) {
	if file == "" {
		return nil, "", cli.Usagef("name a file with -f (-: standard input); `%s --help` shows how", c.CommandPath())
	}
	data, err := cli.ReadInput(file, c.InOrStdin())
	if err != nil {
		return nil, "", err
	}
	if !isService(data) {
		m, err := v1.DecodeManifest(data)
		if err != nil {
			return nil, "", cli.Usagef("%s is not a valid manifest: %w", fileName(file), err)
		}
		return m, "manifest", nil
	}
	s, err := v1.DecodeService(data)
	if err != nil {
		return nil, "", cli.Usagef("%s is not a valid service: %w", fileName(file), err)
	}
	return &v1.Manifest{Version: v1.Version, Services: []v1.Service{*s}}, "service", nil
}

// isService: it has a name and no list of services. What is neither is read as a manifest,
// which then says what is missing.
func isService(data []byte) bool {
	var keys map[string]any
	if yaml.Unmarshal(data, &keys) != nil {
		return false
	}
	_, services := keys["services"]
	_, wrapped := keys["manifest"]
	_, named := keys["name"]
	return named && !services && !wrapped
}
