module github.com/seed-15847954/ropewalk/bench

go 1.26
