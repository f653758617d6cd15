lint := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: run build test check race fuzz brokers interop autobahn bench bench-server proof generate
.DEFAULT_GOAL := build

run: ## serve on 127.0.0.1:8000, for trying things out; BROKER=redis starts a Redis for it
	$(if $(BROKER),go run ./scripts/service $(BROKER)) go run ./cmd/ropewalk serve --dev

build: ## a static, reproducible bin/ropewalk
	CGO_ENABLED=0 go build -trimpath -o bin/ropewalk ./cmd/ropewalk

test: ## everything that must pass, in under 20 minutes
	go run ./scripts/test

check: ## lint every module
	go run $(lint) run ./... ./websocket/... ./websocket/internal/asm/... ./websocket/wsh2/... ./websocket/wsh3/... ./bench/...

race: ## only the unit tests, with the race detector
	go run ./scripts/test unit

fuzz: ## only the fuzz targets, FUZZTIME (5s) each
	go run ./scripts/test fuzz

brokers: ## only the tests of brokers, on the servers that they are for
	go run ./scripts/test brokers

interop: ## only the tests against browsers, other libraries and proxies
	go run ./scripts/test interop

autobahn: ## the public conformance suite in both roles and in each mode of the server; needs Python 2.7, takes 40 minutes
	interop/autobahn/run
	interop/autobahn/run --mode events
	interop/autobahn/run --mode http2
	interop/autobahn/run --mode http3

bench: ## this library beside its peers
	go run ./bench/cmd/bench

bench-server: ## the server beside others with channels
	go run ./bench/cmd/benchserver

proof: ## real servers and 1,000 clients under faults: what is promised is kept; takes an hour; BROKER=redis for three nodes on a broker; PROOF="-reps 1" for less
	go run ./proof/cmd/proof $(if $(BROKER),-broker $(BROKER)) $(PROOF)

generate: ## the conformance and security pages, from the tests; assembly; code of the protocols, with protoc
	go generate ./internal/conformance ./websocket/frame ./protocol/native/nativepb ./api/apipb ./cluster/clusterpb
