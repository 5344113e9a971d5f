# Two commands matter: `make drill` rehearses a failover on this machine, `make test` checks everything.
# `make help` lists the rest. No target calls AWS but deploy and destroy.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The drill's settings: make drill SEED=7 FACTOR=60 OUT=out/drill REPLAY=1
SEED   ?=
FACTOR ?= 60
OUT    ?= out/drill
# Anything: put the missing rows back at the end.
REPLAY ?=
# Rows of the benchmark's first two tables; the third has twice as many.
ROWS   ?= 2000000
FUNCTIONS := preflight routing-control global-failover snapshot-restore reconcile replay report

.PHONY: help setup build test bench lint drill sandbox package deploy destroy clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what the machine lacks (MariaDB, PostgreSQL, Chromium, MySQL beside the build, a Python environment)
	@tests/setup.sh mariadb mysql postgres python browser

build: ## build the command and the step functions for this machine
	@cargo build --workspace --bins

test: ## run every test; needs no other command first
	@tests/setup.sh mariadb mysql postgres python browser
	@cargo build --workspace --bins
	@cargo test --workspace

bench: ## time the comparison beside its peers, some minutes; writes docs/benchmarks.md
	@tests/setup.sh mariadb bench
	@cargo build --release -p table-diff --example compare
	@target/bench/bin/python tests/bench/bench.py target/release/examples/compare $(ROWS)

lint: setup ## rustfmt, clippy, cfn-lint
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- --deny warnings
	@target/python/bin/cfn-lint template.yaml

drill: ## rehearse a Region failover on this machine, whole
	@tests/setup.sh mariadb
	@cargo build --workspace --bins
	@target/debug/causeway drill --factor $(FACTOR) --output $(OUT) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay)

sandbox: ## keep the two Regions running for your own use
	@tests/setup.sh mariadb
	@cargo build --workspace --bins
	@target/debug/causeway sandbox --factor $(FACTOR)

package: ## build what is deployed, for arm64, with sam and cargo-lambda
	@sam build

deploy: package ## deploy to the Region and account of your AWS settings (asks before it changes anything)
	@sam deploy --guided

destroy: ## remove the deployed stack (asks first)
	@sam delete

clean: ## remove what was built and written here
	@rm -rf target out
