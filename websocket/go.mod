module github.com/seed-15847954/ropewalk/websocket

go 1.26

require github.com/klauspost/compress v1.20.3
