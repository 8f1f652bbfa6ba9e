package commands_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"deployer/test/env"
)

// subcommand is a line of the list that help prints.
var subcommand = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) +\S`)

// eachCommand calls f for a program and all commands below it, as its help lists them.
func eachCommand(ctx context.Context, host *env.Host, path []string, f func(path []string, help string)) {
	GinkgoHelper()
	help := s.OK(ctx, host, append(path, "--help")...)
	f(path, help)
	_, list, found := strings.Cut(help, "Available Commands:\n")
	if !found {
		return
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for _, name := range subcommand.FindAllStringSubmatch(list, -1) {
		if name[1] != "help" {
			eachCommand(ctx, host, append(path[:len(path):len(path)], name[1]), f)
		}
	}
}

var _ = Describe("Every command", func() {
	It("has help with an example, and says its version", func(ctx SpecContext) {
		for program, host := range programs() {
			count := 0
			eachCommand(ctx, host, []string{program}, func(path []string, help string) {
				count++
				name := strings.Join(path, " ")
				Expect(help).To(ContainSubstring("Usage:\n  "+name), name)
				if path[len(path)-1] != "version" {
					Expect(help).To(MatchRegexp(`Examples:\n +(#.*\n +)?`+program), name)
				}
				if len(path) == 1 {
					Expect(help).To(ContainSubstring("Exit codes: 0 as wanted; 1 error; 2 usage"), name)
				}
			})
			GinkgoWriter.Printf("%s: %d commands\n", program, count)
			Expect(s.OK(ctx, host, program, "--version")).To(MatchRegexp(`^` + program + ` (version )?\S+\n$`))
			for _, shell := range []string{"bash", "zsh", "fish"} {
				Expect(s.OK(ctx, host, program, "completion", shell)).To(ContainSubstring(program))
			}
			s.Shell(ctx, host, program+" completion bash >/run/completion && bash -n /run/completion")
		}
	})

	It("answers a mistake in the command line with 2 and one sentence", func(ctx SpecContext) {
		for _, args := range [][]string{
			{"deploy-manifest", "shwo"},
			{"deploy-manifest", "show", "--nope"},
			{"deploy-manifest", "update", "web"},
			{"deploy-manifest", "show", "-o", "xml"},
			{"deploy-manifest", "add-service"},
			{"deploy-manifest", "add-service", "{"},
			{"deploy-manifest", "add-service", "-f", "/nowhere"},
			{"deploy-manifest", "set", "web", "domain"},
			{"deploy-push", "web"},
			{"deploy-push", "nobody", "/nix/store/00000000000000000000000000000000-x"},
		} {
			By(strings.Join(args, " "))
			s.Refuses(ctx, s.Laptop, 2, args...)
		}
		for _, args := range [][]string{
			{"deployerctl", "stauts"},
			{"deployerctl", "logs"},
			{"deployerctl", "status", "--nope"},
			{"biz-deployer", "nonsense"},
			{"deployerctl", "doctor", "not-a-store-path"},
		} {
			By(strings.Join(args, " "))
			s.Refuses(ctx, s.Biz, 2, args...)
		}
	})

	It("says 4 of what nobody knows, and 1 of what is not there", func(ctx SpecContext) {
		Expect(s.Refuses(ctx, s.Biz, 4, "deployerctl", "status", "nobody")).To(ContainSubstring("deployerctl status"))
		Expect(s.Refuses(ctx, s.Biz, 4, "deployerctl", "plan", "nobody")).To(ContainSubstring("deployerctl status"))
		Expect(s.Refuses(ctx, s.Laptop, 1, "deploy-manifest", "rollback", "manifest-20200101T000000Z.json")).To(ContainSubstring("deploy-manifest list"))
	})

	It("prints data as JSON and YAML that parse", func(ctx SpecContext) {
		for _, data := range []struct {
			host *env.Host
			args []string
		}{
			{s.Laptop, []string{"deploy-manifest", "show"}},
			{s.Laptop, []string{"deploy-manifest", "list"}},
			{s.Biz, []string{"deployerctl", "status"}},
			{s.Biz, []string{"deployerctl", "plan"}},
			{s.Biz, []string{"deployerctl", "doctor"}},
		} {
			for format, parse := range map[string]func([]byte, any) error{
				"json": json.Unmarshal,
				"yaml": func(b []byte, v any) error { return yaml.UnmarshalStrict(b, v) },
			} {
				r := s.Run(ctx, data.host, append(data.args, "-o", format)...)
				var parsed any
				Expect(parse([]byte(r.Out), &parsed)).To(Succeed(), r.String())
				Expect(parsed).NotTo(BeNil(), r.String())
			}
		}
	})

	It("colours nothing that is not a terminal", func(ctx SpecContext) {
		for _, args := range [][]string{{"deployerctl", "status"}, {"deployerctl", "doctor"}, {"deployerctl", "plan"}} {
			Expect(s.Run(ctx, s.Biz, args...).Out).NotTo(ContainSubstring("\033["))
		}
	})
})
