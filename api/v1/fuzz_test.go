package v1_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "deployer/api/v1"
)

// slowest is what reading a small document may take on a machine that is busy.
const slowest = 5 * time.Second

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		everything, fiveMistakes, oldService, `{"version":1,"services":[` + oldService + `]}`,
		"{}", "[]", "null", "", "a: &a [*a]", "? {a: b} : c", "%YAML 1.2\n---\n- !!set {a}", "version: 1\nservices:\n- name: |\n    x\n",
	} {
		f.Add([]byte(seed))
	}
	samples, err := filepath.Glob("../../config/samples/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range samples {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// A parser that hangs would otherwise only look like a slow fuzzer. Run it with
		// -fuzzminimizetime=10x: minimizing counts no executions, for a minute at a time.
		guard := time.AfterFunc(slowest, func() { panic(fmt.Sprintf("over %v for %q", slowest, data)) })
		defer guard.Stop()
		if s, err := v1.DecodeService(data); err == nil {
			roundTrip(t, &v1.Manifest{Version: 1, Services: []v1.Service{*s}})
		}
		m, err := v1.Decode(data)
		if (m == nil) == (err == nil) {
			t.Fatalf("a manifest %v beside the error %v", m, err)
		}
		if err != nil {
			_ = err.Error()
			return
		}
		roundTrip(t, m)
	})
}

// roundTrip holds a valid manifest to what hosts rely on.
func roundTrip(t *testing.T, m *v1.Manifest) {
	data, err := v1.Encode(m)
	if err != nil {
		if strings.Contains(err.Error(), "hosts read at most") {
			return
		}
		t.Fatalf("encoding what was decoded: %v", err)
	}
	again, err := v1.Decode(data)
	if err != nil {
		t.Fatalf("decoding what was encoded: %v\n%s", err, data)
	}
	if !reflect.DeepEqual(m, again) {
		t.Fatalf("not the same:\n%+v\n%+v", m, again)
	}
	twice, err := v1.Encode(again)
	if err != nil || !bytes.Equal(data, twice) || m.Hash() != again.Hash() {
		t.Fatalf("not stable: %v\n%s\n%s", err, data, twice)
	}
	if changes := v1.Diff(m, again); len(changes) > 0 {
		t.Fatalf("differences: %v", changes)
	}
	for _, s := range m.Services {
		d := s.Default()
		if list := d.Validate(nil); len(list) > 0 {
			t.Fatalf("defaults are not valid: %v", v1.ErrorList(list))
		}
		if len(s.Release().Revision()) != 12 || len(s.Release().Default().UserName()) > 31 {
			t.Fatalf("revision or user of %+v", s)
		}
	}
}

func FuzzSetField(f *testing.F) {
	for _, seed := range []string{"http.path=/x", "env.A=b", "exec.command=a 'b'", `http={"domain":"a.b"}`, "hold.until=2027-01-01T00:00:00Z", "deploy.order=a,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, assignment string) {
		s := v1.Service{Name: "web", Hosts: []string{"biz"}}
		before := s
		if err := v1.SetField(&s, assignment); err != nil && !reflect.DeepEqual(s, before) {
			t.Fatalf("%q changed the service and failed: %v", assignment, err)
		}
		_ = s.Validate(nil)
	})
}

func FuzzSplitWords(f *testing.F) {
	for _, seed := range []string{`a 'b c' "d\"e" \f`, `""`, `\`, `'`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := v1.SplitWords(line)
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := v1.SplitWords(strings.Join(quoted, " "))
		if err != nil || !reflect.DeepEqual(words, again) {
			t.Fatalf("%q: %q, then %q, %v", line, words, again, err)
		}
	})
}

// thousand is a manifest of 1,000 services as people write them.
func thousand() *v1.Manifest {
	m := &v1.Manifest{Version: 1, Generation: 12, Lineage: "5f3c9a1e"}
	for i := range 1000 {
		name := fmt.Sprintf("service-%d", i)
		m.Services = append(m.Services, v1.Service{
			Name: name, Hosts: []string{"biz"}, Commit: "0123456789abcdef0123456789abcdef01234567",
			Artifact: &v1.Artifact{StorePath: goodHash + name + "-1.0"},
			Env:      map[string]string{"PORT": fmt.Sprint(10000 + i), "AREA": "Live", "LOG_LEVEL": "info"},
			EnvFile:  "/var/lib/biz-secrets/" + name + ".env",
			HTTP:     &v1.HTTP{Domain: name + ".example.com", InternalPort: 10000 + i},
			Health:   &v1.Health{Path: "/healthz"},
		})
	}
	return m
}

func BenchmarkDecode1000(b *testing.B) {
	data, err := v1.Encode(thousand())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v1.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash1000(b *testing.B) {
	m := thousand()
	for b.Loop() {
		m.Hash()
	}
}

func BenchmarkRevision(b *testing.B) {
	r := thousand().Services[0].Release()
	for b.Loop() {
		r.Revision()
	}
}
