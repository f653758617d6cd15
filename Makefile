lint := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: run build test check race fuzz interop autobahn bench bench-server proof generate
.DEFAULT_GOAL := build

run: ## serve on 127.0.0.1:8000, for trying things out
	go run ./cmd/ropewalk serve --dev

build: ## a static, reproducible bin/ropewalk
	CGO_ENABLED=0 go build -trimpath -o bin/ropewalk ./cmd/ropewalk

test: ## everything that must pass, in under 15 minutes
	go run ./scripts/test

check: ## lint every module
	go run $(lint) run ./... ./websocket/... ./websocket/internal/asm/... ./websocket/wsh2/... ./websocket/wsh3/... ./bench/...

race: ## only the unit tests, with the race detector
	go run ./scripts/test unit

fuzz: ## only the fuzz targets, FUZZTIME (10s) each
	go run ./scripts/test fuzz

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

proof: ## real servers and 1,000 clients under faults: what is promised is kept; takes three quarters of an hour; PROOF="-reps 1" for less
	go run ./proof/cmd/proof $(PROOF)

generate: ## the conformance and security pages, from the tests; assembly; code of the protocols, with protoc
	go generate ./internal/conformance ./websocket/frame ./protocol/native/nativepb ./api/apipb
