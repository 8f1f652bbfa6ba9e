// Package config is the files that a host is set up with, in the program: what
// `deployerctl install` writes is what lies here, byte by byte.
package config

import _ "embed"

//go:embed systemd/biz-deployer.service
var daemonUnit []byte

//go:embed systemd/biz-deployer-boot.service
var bootUnit []byte

//go:embed systemd/caddy.service
var caddyUnit []byte

//go:embed caddy/caddy.json
var caddyConfig []byte

//go:embed biz-deployer.yaml
var sample []byte

// Units are the systemd units, by name.
func Units() map[string][]byte {
	return map[string][]byte{
		"biz-deployer.service":      daemonUnit,
		"biz-deployer-boot.service": bootUnit,
		"caddy.service":             caddyUnit,
	}
}

// Caddy is where Caddy's very first start begins: caddy.json.
func Caddy() []byte { return caddyConfig }

// Sample is the daemon's configuration with every key explained.
func Sample() []byte { return sample }
