package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/hostconfig"
	"deployer/config"
	"deployer/providers/nix"
)

// configuration writes the daemon's configuration where there is none, and else looks
// whether it says what is wished for. One that a person wrote is theirs: only Force edits
// it, and only in the keys that are wished for.
func (i *installer) configuration(context.Context) error {
	data, err := os.ReadFile(i.path(hostconfig.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return i.newConfiguration()
	case err != nil:
		return fmt.Errorf("reading the configuration: %w", err)
	}
	have, err := hostconfig.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w; mend it, or move it away for a new one", hostconfig.Path, err)
	}
	differs := i.differs(have)
	switch {
	case len(differs) == 0:
		i.say(OK, hostconfig.Path, "")
		return nil
	case !i.Force:
		i.say(Kept, hostconfig.Path, strings.Join(differs, "; ")+": edit it, or --force changes just that and keeps it as it was as .bak")
		return nil
	}
	return i.editConfiguration(data, have, differs)
}

// check refuses a wish that no configuration could have, before anything is done.
func (i *installer) check(context.Context) error {
	if _, err := nix.NewCache(nil, i.TrustedKeys); err != nil {
		return cli.Usagef("--trusted-key: %w", err)
	}
	text, err := edit(nil, i.Wish)
	if err == nil {
		_, err = hostconfig.Parse(text)
	}
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	return nil
}

// newConfiguration is the sample, whose comments explain every key.
func (i *installer) newConfiguration() error {
	wish := i.Wish
	c, err := hostconfig.Parse(nil) // every default, and the machine's own name
	if err != nil {
		return err
	}
	if wish.Store == "" {
		wish.Store = c.Store
	}
	if wish.Host == "" {
		wish.Host = c.Host
	}
	text, err := edit(config.Sample(), wish)
	if err != nil {
		return err
	}
	i.say(Made, hostconfig.Path, "host "+wish.Host+", store "+wish.Store)
	return i.write(hostconfig.Path, text, openFile)
}

// differs says what is wished for and is not so.
func (i *installer) differs(have hostconfig.Config) []string {
	var out []string
	add := func(key, wanted, is string) {
		if wanted != "" && wanted != is {
			out = append(out, fmt.Sprintf("%s is %s there, and %s is asked for", key, or(is, "empty"), wanted))
		}
	}
	add("host", strings.ToLower(i.Host), have.Host)
	add("store", i.Store, have.Store)
	if len(i.TrustedKeys) > 0 && !slices.Equal(slices.Sorted(slices.Values(i.TrustedKeys)), slices.Sorted(slices.Values(have.TrustedPublicKeys))) {
		add("trustedPublicKeys", strings.Join(i.TrustedKeys, ", "), or(strings.Join(have.TrustedPublicKeys, ", "), "empty"))
	}
	return out
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// editConfiguration changes the wished for keys of somebody's file and nothing else.
func (i *installer) editConfiguration(data []byte, have hostconfig.Config, differs []string) error {
	text, err := edit(data, i.Wish)
	if err != nil {
		return err
	}
	want := have
	if i.Host != "" {
		want.Host = strings.ToLower(i.Host)
	}
	if i.Store != "" {
		want.Store = i.Store
	}
	if len(i.TrustedKeys) > 0 {
		want.TrustedPublicKeys = i.TrustedKeys
	}
	now, err := hostconfig.Parse(text)
	if err != nil || !reflect.DeepEqual(now, want) {
		return fmt.Errorf("%s is written in a way that cannot be edited by itself: change it by hand (%s)", hostconfig.Path, strings.Join(differs, "; "))
	}
	backup, err := i.backup(hostconfig.Path)
	if err != nil {
		return err
	}
	i.say(Changed, hostconfig.Path, strings.Join(differs, "; ")+"; what was there is kept as "+backup)
	i.restart["biz-deployer.service"] = true
	return i.write(hostconfig.Path, text, openFile)
}

// edit sets the keys of a wish in a YAML document, line by line, so that its comments stay.
// Whoever edits what people wrote has to look whether it came out as meant.
func edit(text []byte, w Wish) ([]byte, error) {
	for _, set := range []struct {
		key   string
		value any
		empty bool
	}{
		{"host", w.Host, w.Host == ""},
		{"store", w.Store, w.Store == ""},
		{"trustedPublicKeys", w.TrustedKeys, len(w.TrustedKeys) == 0},
	} {
		if set.empty {
			continue
		}
		var err error
		if text, err = setKey(text, set.key, set.value); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// setKey replaces a key's line, with the lines of its list, or adds one at the end.
func setKey(text []byte, key string, value any) ([]byte, error) {
	var line strings.Builder
	line.WriteString(key + ":")
	values, isList := value.([]string)
	if !isList {
		values = []string{value.(string)}
	}
	for _, v := range values {
		quoted, err := plain(v)
		if err != nil {
			return nil, err
		}
		if isList {
			line.WriteString("\n  -")
		}
		line.WriteString(" " + quoted)
	}
	there := regexp.MustCompile(`(?m)^` + key + `:.*(?:\n[ \t]*- .*)*`)
	if place := there.FindIndex(text); place != nil {
		return slices.Concat(text[:place[0]], []byte(line.String()), text[place[1]:]), nil
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(slices.Clone(text), '\n')
	}
	return append(slices.Clone(text), line.String()+"\n"...), nil
}

// plain is a value as people write it, in quotes only where YAML needs them.
func plain(v string) (string, error) {
	text, err := yaml.Marshal(v)
	return strings.TrimSpace(string(text)), err
}
