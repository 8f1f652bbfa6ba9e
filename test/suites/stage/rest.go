package stage

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// keptGood is how many good releases of a service stay on a host.
const keptGood = 3

// look prints all that a host has of a service, and nothing of what systemd or Caddy keeps
// for themselves.
const look = `
cd /var/lib/biz-deployer
echo "directories $(find releases/$1 -mindepth 1 -maxdepth 1 -type d -printf '%f ')"
echo "other $(find releases/$1 -mindepth 1 -maxdepth 1 ! -type d ! -name primary -printf '%f ') $(find upstreams -name "*$1*" ! -name "$1" -printf '%f ')"
echo "primary $(readlink releases/$1/primary)"
echo "upstream $(cat upstreams/$1)"
echo "roots $(find /nix/var/nix/gcroots/biz -mindepth 1 -maxdepth 1 -name "$1-*" -printf '%f ')"
echo "units $(find services /etc/systemd/system -name "$1*" -printf '%p ')"
echo "active $(systemctl list-units --all --plain --no-legend "$1.service" "$1-standby.service" | awk '{print $1 "=" $3}' | tr '\n' ' ')"
echo "revision $(cat /run/credentials/$1.service/revision)"
`

// Rest is what biz has of a service.
type Rest map[string][]string

func (s *Stage) rest(ctx context.Context, name string) (Rest, error) {
	out, said, err := s.Biz.Exec(ctx, "sh", "-uc", look, "look", name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	rest := Rest{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		rest[fields[0]] = fields[1:]
	}
	return rest, nil
}

// WaitAtRest waits until a good release is all that is going on: it runs in the primary slot
// and has the requests, there is no standby, and of older releases only the last good ones are
// left, each with its root.
func (s *Stage) WaitAtRest(ctx context.Context, service v1.Service) {
	GinkgoHelper()
	name, revision := service.Name, service.Release().Revision()
	s.WaitGood(ctx, service)
	Eventually(ctx, func(g Gomega, ctx context.Context) {
		rest, err := s.rest(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(rest["primary"]).To(ConsistOf(HavePrefix(revision + "-")))
		g.Expect(rest["revision"]).To(Equal(rest["primary"]), "what the process was started with")
		g.Expect(rest["active"]).To(ConsistOf(name + ".service=active"))
		g.Expect(rest["other"]).To(BeEmpty(), "pointers and half-written files")
		g.Expect(rest["directories"]).To(ContainElement(rest["primary"][0]))
		g.Expect(len(rest["directories"])).To(BeNumerically("<=", keptGood), "%v", rest["directories"])
		g.Expect(rest["roots"]).To(ConsistOf(rootsOf(name, rest["directories"])))
		g.Expect(rest["units"]).To(ConsistOf("services/"+name+".service", "/etc/systemd/system/"+name+".service",
			"/etc/systemd/system/multi-user.target.wants/"+name+".service"))
		if service.HTTP != nil {
			g.Expect(rest["upstream"]).To(ConsistOf(fmt.Sprintf("127.0.0.1:%d", service.HTTP.InternalPort)))
		}
	}).WithTimeout(Patience).WithPolling(4 * every).Should(Succeed())
}

// rootsOf names a root for each revision among the directories.
func rootsOf(service string, directories []string) []string {
	seen := map[string]bool{}
	var roots []string
	for _, instance := range directories {
		revision, _, _ := strings.Cut(instance, "-")
		if !seen[revision] {
			seen[revision] = true
			roots = append(roots, service+"-"+revision)
		}
	}
	return roots
}
