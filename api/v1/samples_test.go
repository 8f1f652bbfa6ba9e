package v1_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

// everything uses every field of the manifest.
const everything = `
version: 1
lineage: 5f3c9a1e
generation: 7
previous: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
expires: 2027-01-01T00:00:00Z
updatedAt: 2026-11-23T10:00:00Z
updatedBy: ann@laptop
message: "say \"why\" <here> & there"
removed: [{name: old, generation: 6, by: ann@laptop}]
services:
- name: web
  artifact: {type: nix-closure, storePath: /nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1.0, narHash: "sha256:0123456789abcdfghijklmnpqrsvwxyz0123456789abcdfghijk"}
  commit: v1.0-3-gabcdef
  hosts: [biz, second]
  exec: {command: "bin/serve --title 'a \"b\" $c %d'", args: [--x, ""], user: web, group: www-data}
  env: {PORT: "8080", EMPTY: "", PERCENT: 100%, QUOTED: "a 'b' \"c\" \\d"}
  envFile: /var/lib/biz-secrets/web.env
  http: {domain: web.example.com, aliases: [www.example.com], path: /app, internalPort: 8080}
  health: {path: "/healthz?full=1", status: 204, interval: 1s, timeout: 2, deadline: 1m30s, rise: 3}
  deploy: {strategy: overlap, soak: 5s, drain: 1h, order: [second, biz], attempt: 2}
  systemd: {after: [network-online.target], requires: ['dev-disk-by\x2dlabel-data.device'], restart: on-failure, restartSec: 250ms}
  hardening: {profile: strict, dynamicUser: false, privateTmp: false, protectSystem: true, protectHome: read-only, allow: [jit, network]}
  resources: {memoryMax: 512M, cpuQuota: 150%, tasksMax: 100}
  stateDirectory: web/data
  hold: {owner: ann@laptop, reason: migration, until: 2026-12-24T00:00:00Z}
  protect: true
- name: worker
  hosts: [biz]
  health: {exec: [bin/check, --deep]}
  hold: {forever: true}
`

var _ = Describe("samples", func() {
	files, err := filepath.Glob("../../config/samples/*")
	It("has samples to read", func() {
		Expect(err).NotTo(HaveOccurred())
		Expect(len(files)).To(BeNumerically(">=", 6))
	})
	for _, file := range files {
		if strings.Contains(filepath.Base(file), "push") {
			continue // what is built is none of the manifest's business
		}
		It("reads "+filepath.Base(file), func() {
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			if strings.Contains(filepath.Base(file), "manifest") {
				_, err = v1.DecodeManifest(data)
			} else {
				_, err = v1.DecodeService(data)
			}
			Expect(err).NotTo(HaveOccurred())
		})
	}
})
