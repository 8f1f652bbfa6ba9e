# Everything a person needs is here, thin over hack/. `make help` explains.
SHELL := /bin/bash
BIN   := $(CURDIR)/bin
CMDS  := biz-deployer deployerctl deploy-manifest deploy-push
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X deployer/cmd/internal/cli.Version=$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help setup build test test-long unit verify generate bench demo host clean

help: ## explain these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing (packages, pinned tools, the test host's image); quick when nothing is
	@hack/setup

build: ## build the four commands into ./bin
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(addprefix ./cmd/,$(CMDS))

demo: setup build ## the main job, from an edit of the manifest to a page served through Caddy, on a test host
	@hack/demo

test: setup build verify ## everything that CI runs: verify, and all tests, those on test hosts too (needs root)
	@hack/test all

test-long: setup build ## the suites with long runs: 50 releases under load, 200 kills, 50 interrupted pushes
	@hack/test long

unit: ## the tests that need neither root nor a test host
	@hack/test unit

verify: ## format, vet, lint, import rules, generated files fresh, examples in the docs parse
	@hack/setup tools
	@hack/verify

generate: ## write the generated files again
	@hack/generate

bench: setup build ## benchmarks beside their baselines; prints ratios
	@hack/bench

host: setup build ## leave a test host running to play with, and say what to try
	@hack/host

clean: ## take down all test hosts and delete ./bin (the caches outside the repository stay)
	@if [ -x hack/testhost ]; then hack/testhost down --all || true; fi
	@rm -rf $(BIN)
