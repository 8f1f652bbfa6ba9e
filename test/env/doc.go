// Package env makes test hosts: real machines in all but the kernel, for suites that run the
// real binaries against real systemd, Nix, Caddy and S3.
//
// A Lab is a bridge with a /24 of its own, an S3 server and any number of Hosts. A Host is a
// Debian 13 root under an overlay, booted by systemd-nspawn in its own network namespace. Hosts
// of one lab, its S3 and the outer machine reach each other and nothing else: there is no route
// to the internet, and nothing of the outer machine is written but
//
//	/run/deployer-testhost/<lab>/      what exists: lab.json, hosts, logs, credentials
//	/var/tmp/deployer-testhost/<lab>/  the disks of the hosts and the objects of the S3 server
//	cgroup deployer.testhost/<lab>/    every process of the lab, so that one write ends them all
//	links dpl<N>*, namespaces dpl-<lab>-*
//
// A lab belongs to the process that made it. When that process dies without Close, the next one
// to make a lab takes it down.
//
//	func TestDeploy(t *testing.T) { env.Require(t); RegisterFailHandler(Fail); RunSpecs(t, "deploy") }
//
//	lab, err := env.NewLab(ctx, env.LabOptions{})
//	defer lab.Close()
//	biz, err := lab.Up(ctx, "biz", env.HostOptions{TrustedPublicKeys: keys})
//	laptop, err := lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
//	out, _, err := laptop.Exec(ctx, "deploy-manifest", "show")
package env
