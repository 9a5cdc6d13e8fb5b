# What one does with a checkout. Every target makes what it needs; a fresh clone needs bash, make,
# and npm or pip or curl to fetch Deno with, unless a new enough Deno is on PATH.

SHELL := bash
.DEFAULT_GOAL := help

# The data folder of every target that runs, stops or looks at the platform.
export RTA_DATA ?= ./data

# How many events generate-data sends, and the seed that they follow from.
N ?= 1000000
SEED ?= 1

# Where client puts the library: REST for every runtime here, gRPC for Deno, Node and Bun beside it.
CLIENT_JS ?= dist/client.js

# "$(deno) run …" in a recipe: finds or installs Deno, and fails when that fails.
deno = d="$$(scripts/deno.sh)" && "$$d"

# The command line of the platform; --allow-run is for `run` and `example`, which start `serve`.
rta = $(deno) run --frozen --no-prompt --allow-net --allow-read --allow-write --allow-env \
	--allow-sys --allow-ffi --allow-run services/main.ts

# Acts on the running server of this folder.
local = $(deno) run --frozen --no-prompt --allow-net --allow-read --allow-write --allow-env \
	--allow-run scripts/local_server.ts

# Acts on a Kafka cluster, by default on this machine's.
topics = export RTA_KAFKA_BROKERS="$${RTA_KAFKA_BROKERS:-127.0.0.1:9092}"; $(rta) topics

gate = $(deno) run --frozen -A tests/support/run_gate.ts

help: ## List the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | awk -F'\t' '{printf "%-18s %s\n", $$1, $$2}'

setup: ## Find or install Deno, and install the locked packages
	@$(deno) install --frozen --quiet

run: setup ## Start every role in this terminal; starts again after a crash; Ctrl-C drains and ends
	@$(rta) run

dev: setup ## As run, and start again whenever a source file changes
	@$(deno) run --frozen -A scripts/dev.ts

stop: setup ## Stop what runs on the data folder, and wait until it has drained
	@$(local) stop

clean: setup ## Remove the data folder (RTA_DATA), unless something runs on it
	@$(local) clean

health: setup ## Ask every role how it is
	@$(local) health

ready: setup ## Ask every role whether it takes requests
	@$(local) ready

lag: setup ## Show how many events wait to be processed, by partition
	@$(local) lag

urls: setup ## Print the addresses, where the data lies, and a first request
	@$(local) urls

logs: ## Follow the log of make run
	@tail -n 100 -F "$(RTA_DATA)/logs/rta.log"

example: setup ## Load six months of a web shop's clicks, and print their summary and hours
	@$(rta) example

client: setup ## Make the client library two files of JavaScript: dist/client.js, dist/client_grpc.js
	@$(deno) bundle --quiet --platform browser lib/client/mod.ts -o "$(CLIENT_JS)"
	@$(deno) bundle --quiet --platform deno lib/client/grpc.ts -o "$(CLIENT_JS:.js=_grpc.js)"

generate-data: setup ## Send N=1000000 made-up events, the same for the same SEED=1, to what runs
	@$(rta) generate --events $(N) --seed $(SEED) \
		--url "http://127.0.0.1:$${RTA_INGESTION_PORT:-8081}"

proto-tools: setup ## Fetch buf, in the version that is pinned
	@scripts/buf.sh --version

proto: setup ## Lint proto/ by buf, and compile it for reflection and for what reads messages
	@scripts/buf.sh lint proto && scripts/buf.sh breaking proto --against tests/contract/proto_baseline.binpb
	@scripts/buf.sh build proto --as-file-descriptor-set -o proto/descriptors.binpb
	@$(deno) run --frozen -A scripts/write_proto_definitions.ts

docs: setup ## Write docs/ERRORS.md from the lists of codes
	@$(deno) run --frozen -A scripts/write_error_codes.ts

create-topics: setup ## Create the platform's topics on Kafka (RTA_KAFKA_BROKERS) that are not there
	@$(topics) create

list-topics: setup ## List the topics of the Kafka cluster, with partitions and records
	@$(topics) list

kafka-console: setup ## Print the events' Kafka records as they come; FROM_BEGINNING=1 for all, TOPIC=name
	@$(topics) tail $(if $(FROM_BEGINNING),--from-beginning) $(TOPIC)

test: setup ## The whole gate: format, lint, types, and every test
	@$(gate)

test-unit: setup ## Only the unit tests
	@$(gate) unit

test-integration: setup ## Only the tests that open ports, start processes or break things
	@$(gate) contract integration e2e fault

test-services: setup ## Run the programs of examples/ against a real server, and the client on Node and Bun
	@$(deno) test --frozen -A --no-check tests/e2e/examples_test.ts tests/e2e/client_runtimes_test.ts

bench: setup ## Measure speed and memory, with a limit or a peer beside each figure
	@$(deno) run --frozen -A tests/bench/run_bench.ts $(BENCH)

test-performance: bench ## The same as bench

fmt: setup ## Format every file
	@$(deno) fmt

lint: setup ## Lint every file
	@$(gate) lint

check: setup ## Check the types of every file, and that PURE folders use nothing but the language
	@$(gate) check pure

.PHONY: help setup run dev proto-tools proto docs stop clean health ready lag urls logs example client generate-data create-topics \
	list-topics kafka-console test test-unit test-integration test-services \
	bench test-performance fmt lint check
