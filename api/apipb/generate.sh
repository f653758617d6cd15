#!/bin/sh
# Makes everything that comes from api.proto. Needs protoc, which Debian has as
# protobuf-compiler.
set -eu
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN=$tools go install connectrpc.com/connect/cmd/protoc-gen-connect-go@v1.21.1
PATH=$tools:$PATH protoc \
	--go_out=. --go_opt=paths=source_relative \
	--connect-go_out=. --connect-go_opt=paths=source_relative,simple \
	--include_source_info --descriptor_set_out="$tools/api.binpb" \
	api.proto
go run ./openapi api.proto "$tools/api.binpb" >openapi.json
