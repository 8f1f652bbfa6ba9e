package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
)

// update writes the golden files again: go test ./cmd/deploy-manifest -update.
var update = flag.Bool("update", false, "write testdata/*.golden again")

func TestDeployManifest(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "deploy-manifest")
}

const (
	// soonEnough bounds specs that wait for another process.
	soonEnough = time.Minute
	pathOne    = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"
	pathTwo    = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-2"
	// fromTheDocs is the JSON that people of the system before us have.
	fromTheDocs = `{"name":"my-new-service","artifact":{"storePath":"/nix/store/placeholder"},"hosts":["biz"],
 "exec":{"command":null,"user":"root","group":"root"},"env":{"PORT":"8080","AREA":"Live"},
 "envFile":"/var/lib/biz-secrets/my-new-service.env",
 "http":{"domain":"myservice.example.com","path":"/","internalPort":8080}}`
)

// person sits at a machine with a home and a store of its own.
type person struct {
	home, store string
	stdin       string
	clock       time.Time
	transcript  strings.Builder
}

// result is what a person sees of a command.
type result struct {
	out, err string
	code     int
}

// newPerson has a file store that init has yet to make, and nothing of the environment
// of whoever runs the tests.
func newPerson() *person {
	GinkgoHelper()
	p := &person{home: GinkgoT().TempDir(), clock: time.Date(2026, 12, 16, 3, 30, 0, 0, time.UTC)}
	p.store = "file://" + filepath.Join(p.home, "store")
	GinkgoT().Setenv("HOME", p.home)
	GinkgoT().Setenv("XDG_CONFIG_HOME", "")
	GinkgoT().Setenv(cli.StoreEnv, p.store)
	return p
}

// run runs the real command tree, a minute after the last time.
func (p *person) run(ctx context.Context, args ...string) result {
	p.clock = p.clock.Add(time.Minute)
	at := p.clock
	a := &app{now: func() time.Time { return at }, who: func() string { return "ann@laptop" }}
	var out, stderr bytes.Buffer
	c := a.command()
	c.SetArgs(args)
	c.SetIn(strings.NewReader(p.stdin))
	c.SetOut(&out)
	c.SetErr(&stderr)
	code := cli.Run(ctx, c, &stderr)
	p.note(args, out.String()+stderr.String(), code)
	return result{out: out.String(), err: stderr.String(), code: code}
}

// must is run, and it works.
func (p *person) must(ctx context.Context, args ...string) string {
	GinkgoHelper()
	r := p.run(ctx, args...)
	Expect(r.code).To(Equal(cli.ExitOK), "%v: %s", args, r.err)
	Expect(r.err).To(BeEmpty())
	return r.out
}

// refused is a command that fails with one plain sentence and changes nothing.
func (p *person) refused(ctx context.Context, code int, args ...string) string {
	GinkgoHelper()
	before := p.files()
	r := p.run(ctx, args...)
	Expect(r.code).To(Equal(code), "%v: %s", args, r.err)
	Expect(r.out).To(BeEmpty())
	Expect(r.err).To(HavePrefix("deploy-manifest: "))
	Expect(r.err).NotTo(MatchRegexp(`goroutine|panic|0x[0-9a-f]{6}|%!`))
	Expect(p.files()).To(Equal(before))
	return r.err
}

// files is everything in the store.
func (p *person) files() map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	root := strings.TrimPrefix(p.store, "file://")
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a store that is not there has no files
		}
		data, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		out[path] = string(data)
		return nil
	})
	return out
}

func (p *person) write(name, content string) string {
	GinkgoHelper()
	path := filepath.Join(p.home, name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	return path
}

// cache lets the store's cache have the releases of these specs, which share a hash.
func (p *person) cache() {
	GinkgoHelper()
	p.write("store/0123456789abcdfghijklmnpqrsvwxyz.narinfo", "x")
}

func (p *person) note(args []string, output string, code int) {
	fmt.Fprint(&p.transcript, "$ deploy-manifest")
	for _, arg := range args {
		if strings.ContainsAny(arg, " \n\"{}[]'$*") {
			arg = "'" + arg + "'"
		}
		fmt.Fprint(&p.transcript, " ", arg)
	}
	fmt.Fprintln(&p.transcript)
	fmt.Fprint(&p.transcript, output)
	if code != 0 {
		fmt.Fprintf(&p.transcript, "(exit code %d)\n", code)
	}
	fmt.Fprintln(&p.transcript)
}

var (
	randomHash    = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
	randomLineage = regexp.MustCompile(`(lineage"?:? "?)[0-9a-f]{16}`)
	storeTime     = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\dZ`) // files have the time of the test
	randomKey     = regexp.MustCompile(`(acme-1:)[A-Za-z0-9+/=]{44}`)
)

// expectGolden compares all that was typed and printed so far.
func (p *person) expectGolden(name string) {
	GinkgoHelper()
	got := strings.ReplaceAll(p.transcript.String(), p.home, "/srv/ann")
	got = randomHash.ReplaceAllString(got, "sha256:HASH")
	got = randomLineage.ReplaceAllString(got, "${1}LINEAGE")
	got = storeTime.ReplaceAllString(got, "2026-12-16 00:00Z")
	got = randomKey.ReplaceAllString(got, "${1}KEY")
	file := filepath.Join("testdata", name+".golden")
	if *update {
		Expect(os.WriteFile(file, []byte(got), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred(), "run `go test ./cmd/deploy-manifest -update` to write it")
	Expect(got).To(Equal(string(want)), "%s differs: look at it, then go test ./cmd/deploy-manifest -update", file)
}

// hears has a host write its report in the store, so long before the next command.
func (p *person) hears(host string, before time.Duration, services ...v1.ServiceState) {
	GinkgoHelper()
	dir := filepath.Join(strings.TrimPrefix(p.store, "file://"), "status")
	Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	var object struct{ Manifest v1.Manifest }
	data, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "manifest.json"))
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(data, &object)).To(Succeed())
	for i := range services {
		services[i].ObservedGeneration = object.Manifest.Generation
	}
	data, err = json.Marshal(v1.HostState{
		Kind: v1.KindHostState, Host: host, Daemon: "1.4", Lineage: object.Manifest.Lineage,
		ObservedGeneration: object.Manifest.Generation, Services: services,
	})
	Expect(err).NotTo(HaveOccurred())
	file, at := filepath.Join(dir, host+".json"), p.clock.Add(time.Minute-before)
	Expect(os.WriteFile(file, data, 0o600)).To(Succeed())
	Expect(os.Chtimes(file, at, at)).To(Succeed())
}
