package v1_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// full is the service of `everything` that uses every field but two ways of health.
func full() v1.Service {
	GinkgoHelper()
	m, err := v1.DecodeManifest([]byte(everything))
	Expect(err).NotTo(HaveOccurred())
	return m.Services[0]
}

// assignments are "path=value" for every field that the value holds, by its JSON names.
func assignments(prefix string, v reflect.Value) []string {
	var out []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		path, f := strings.TrimPrefix(prefix+"."+name, "."), v.Field(i)
		leftOut := f.IsZero() // a pointer to false is written
		if f.Kind() == reflect.Pointer && !f.IsNil() && f.Type() != reflect.TypeFor[*time.Time]() {
			f = f.Elem()
		}
		switch {
		case path == "name" || leftOut:
		case f.Kind() == reflect.Struct:
			out = append(out, assignments(path, f)...)
		case f.Kind() == reflect.Map:
			for _, k := range f.MapKeys() {
				value := f.MapIndex(k).String()
				if value == "" {
					value = `""`
				}
				out = append(out, path+"."+k.String()+"="+value)
			}
		default:
			data, err := json.Marshal(f.Interface())
			Expect(err).NotTo(HaveOccurred())
			value := string(data)
			_ = json.Unmarshal(data, &value) // the plain text, where it is one
			out = append(out, path+"="+value)
		}
	}
	return out
}

var _ = Describe("setting fields", func() {
	It("builds any service field by field, and takes it down again", func() {
		want := full()
		var s v1.Service
		s.Name = want.Name
		all := assignments("", reflect.ValueOf(want))
		Expect(len(all)).To(BeNumerically(">", 40))
		for _, a := range all {
			Expect(v1.SetField(&s, a)).To(Succeed(), a)
		}
		yes, no := true, false
		Expect(want.Hardening.PrivateTmp).To(Equal(&no))
		Expect(s).To(Equal(want))
		for _, a := range all {
			path, _, _ := strings.Cut(a, "=")
			Expect(v1.SetField(&s, path+"=")).To(Succeed(), path)
		}
		Expect(s).To(Equal(v1.Service{Name: "web"}))
		Expect(v1.SetField(&s, "hardening.privateTmp=true")).To(Succeed())
		Expect(s.Hardening.PrivateTmp).To(Equal(&yes))
	})

	DescribeTable("takes what people type",
		func(assignment string, want func(*v1.Service)) {
			s, expected := full(), full()
			want(&expected)
			Expect(v1.SetField(&s, assignment)).To(Succeed())
			Expect(s).To(Equal(expected))
		},
		Entry(nil, "http.aliases=a.b, c.d", func(s *v1.Service) { s.HTTP.Aliases = []string{"a.b", "c.d"} }),
		Entry(nil, `exec.args=["a,b","c"]`, func(s *v1.Service) { s.Exec.Args = []string{"a,b", "c"} }),
		Entry(nil, `exec.command=bin/web --a 'b, c'`, func(s *v1.Service) { s.Exec.Command = v1.Command{"bin/web", "--a", "b, c"} }),
		Entry(nil, "env.PORT=9090", func(s *v1.Service) { s.Env["PORT"] = "9090" }),
		Entry(nil, "env.QUERY=a=b&c=true", func(s *v1.Service) { s.Env["QUERY"] = "a=b&c=true" }),
		Entry(nil, `env.E=""`, func(s *v1.Service) { s.Env["E"] = "" }),
		Entry(nil, `env={"A":"1"}`, func(s *v1.Service) { s.Env = map[string]string{"A": "1"} }),
		Entry(nil, `http={"domain":"a.b","internalPort":1}`, func(s *v1.Service) { s.HTTP = &v1.HTTP{Domain: "a.b", InternalPort: 1} }),
		Entry(nil, "http=", func(s *v1.Service) { s.HTTP = nil }),
		Entry(nil, "commit=true", func(s *v1.Service) { s.Commit = "true" }),
		Entry(nil, "hardening.protectSystem=yes", func(s *v1.Service) { s.Hardening.ProtectSystem = "true" }),
		Entry(nil, "deploy.soak=90", func(s *v1.Service) { s.Deploy.Soak = v1.Duration(90 * time.Second) }),
		Entry(nil, `systemd={"restart":"no"}`, func(s *v1.Service) { s.Systemd = v1.Systemd{Restart: "no"} }),
	)

	DescribeTable("says what is wrong, and changes nothing",
		func(assignment, want string) {
			s := full()
			Expect(v1.SetField(&s, assignment)).To(MatchError(want))
			Expect(s).To(Equal(full()))
		},
		Entry(nil, "http.path", `"http.path" is not FIELD=VALUE, such as http.path=/api or env.PORT=8080`),
		Entry(nil, "http.internal_port=80", "http.internal_port: unknown field; did you mean http.internalPort?"),
		Entry(nil, "htp.path=/", "htp: unknown field; did you mean http?"),
		Entry(nil, "Env.PORT=1", "Env: unknown field; did you mean env?"),
		Entry(nil, "health.pth=", "health.pth: unknown field; did you mean health.path?"),
		Entry(nil, "http.internalPort=many", `http.internalPort: "many" is not a whole number`),
		Entry(nil, "protect=1", `protect: expected true or false, got a string ("1")`),
		Entry(nil, "deploy.soak=soon", `deploy.soak: "soon" is not a duration; write 10s, 500ms, 1h30m or a number of seconds`),
		Entry(nil, "commit.x=1", `commit: has no fields of its own; ".x" is too much`),
		Entry(nil, "http=8080", `http: expected an object, got a number ("8080")`),
		Entry(nil, "http={", `http: "{" is not JSON`),
		Entry(nil, `http={"Domain":"a.b"}`, "http.Domain: unknown field; did you mean domain?"),
		Entry(nil, "name=other", "name: a service keeps its name; add one with the new name, then remove this one"),
	)

	It("sets several fields, all of them or none, and no field twice", func() {
		s := full()
		Expect(v1.SetFields(&s, []string{"env.X=1", "env.Y=1", "env.X=2"})).To(MatchError("env.X: is set twice; say one value"))
		Expect(v1.SetFields(&s, []string{"env.X=1", "htp.path=/"})).To(MatchError(ContainSubstring("unknown field")))
		Expect(s).To(Equal(full()))
		Expect(v1.SetFields(&s, []string{"env.X=1", "env.Y=2"})).To(Succeed())
		Expect(s.Env).To(And(HaveKeyWithValue("X", "1"), HaveKeyWithValue("Y", "2")))
	})

	It("leaves copies alone", func() {
		s := full()
		copied := s
		Expect(v1.SetField(&s, "env.PORT=1")).To(Succeed())
		Expect(v1.SetField(&s, "http.path=/x")).To(Succeed())
		Expect(copied).To(Equal(full()))
	})
})

var _ = Describe("differences", func() {
	It("marks a field as needing a new process exactly when it changes the revision", func() {
		checked := 0
		edits := []string{"health.tcp=true", "health.exec=bin/check", "health.notify=true"}
		for _, a := range assignments("", reflect.ValueOf(full())) {
			path, _, _ := strings.Cut(a, "=")
			edits = append(edits, path+"=")
		}
		for _, edit := range edits {
			before, after := full(), full()
			Expect(v1.SetField(&after, edit)).To(Succeed())
			changes := v1.DiffService(before, after)
			Expect(changes).To(HaveLen(1), edit)
			Expect(edit).To(HavePrefix(changes[0].Field + "="))
			Expect(changes[0].NewProcess).To(Equal(before.Release().Revision() != after.Release().Revision()), edit)
			checked++
		}
		Expect(checked).To(BeNumerically(">", 40))
	})

	It("marks whole blocks likewise", func() {
		for _, block := range []string{"artifact", "http", "health", "hold"} {
			before, after := full(), full()
			Expect(v1.SetField(&after, block+"=")).To(Succeed())
			changes := v1.DiffService(before, after)
			Expect(changes).To(HaveLen(1))
			Expect(changes[0].Kind).To(Equal(v1.Removed))
			Expect(changes[0].NewProcess).To(Equal(before.Release().Revision() != after.Release().Revision()), block)
		}
	})

	It("sees no difference between two ways of writing, nor in who wrote when", func() {
		before, err := v1.DecodeManifest([]byte(everything))
		Expect(err).NotTo(HaveOccurred())
		after := before.Clone()
		Expect(after).To(Equal(before))
		after.Generation, after.UpdatedBy, after.Message = 8, "bob@laptop", "other"
		slices.Reverse(after.Services)
		Expect(v1.Diff(before, after)).To(BeEmpty())
		Expect(v1.FormatDiff(nil)).To(BeEmpty())
	})

	It("is read by people", func() {
		before, err := v1.DecodeManifest([]byte(everything))
		Expect(err).NotTo(HaveOccurred())
		after := before.Clone()
		s := after.Service("web")
		s.Artifact.StorePath = goodHash + "web-2.0"
		s.Env["AREA"] = "two words"
		delete(s.Env, "PERCENT")
		s.HTTP.Path = "/"
		s.Deploy.Soak = v1.Duration(time.Minute)
		after.Services = append(after.Services[:1], v1.Service{Name: "new", Hosts: []string{"biz", "biz2"}})
		after.Removed = append(after.Removed, v1.Removal{Name: "worker"})
		Expect(v1.FormatDiff(v1.Diff(before, after))).To(Equal(`web
  ~ artifact.storePath: ` + goodHash + `web-1.0 → ` + goodHash + `web-2.0 (new process)
  + env.AREA: "two words" (new process)
  - env.PERCENT: 100% (new process)
  ~ http.path: /app → /
  ~ deploy.soak: 5s → 1m
+ new: new service on biz, biz2
- worker: removed; hosts take it down
`))
	})

	It("shows whole services that came and went", func() {
		m := &v1.Manifest{Version: 1, Services: []v1.Service{service(web(released)), service(`{"name":"x","hosts":["biz"]}`)}}
		Expect(v1.Diff(nil, m)).To(Equal([]v1.Change{
			{Service: "web", Kind: v1.Added, New: m.Services[0], NewProcess: true},
			{Service: "x", Kind: v1.Added, New: m.Services[1]},
		}))
		Expect(v1.Diff(m, nil)).To(HaveLen(2))
		Expect(v1.FormatDiff(v1.Diff(m, nil))).To(Equal("- web: not listed any more\n- x: not listed any more\n"))
	})
})

var _ = Describe("looking up", func() {
	It("finds services by name and by host, and removals", func() {
		m, err := v1.DecodeManifest([]byte(everything))
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Service("web")).To(BeIdenticalTo(&m.Services[0]))
		Expect(m.Service("old")).To(BeNil())
		Expect(m.ForHost("biz")).To(HaveLen(2))
		Expect(m.ForHost("second")).To(HaveLen(1))
		Expect(m.ForHost("third")).To(BeEmpty())
		Expect(m.IsRemoved("old")).To(BeTrue())
		Expect(m.IsRemoved("gone")).To(BeFalse())
	})
})
