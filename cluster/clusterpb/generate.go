// Package clusterpb is the schema of what nodes say to one another, and the code that is
// generated from it.
package clusterpb

//go:generate ./generate.sh
