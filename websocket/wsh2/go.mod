module github.com/seed-15847954/ropewalk/websocket/wsh2

go 1.26.0

require golang.org/x/net v0.59.0

require golang.org/x/text v0.42.0 // indirect
