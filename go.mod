module github.com/seed-15847954/ropewalk

go 1.26
