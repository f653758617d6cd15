//go:build !amd64 || purego

package frame

import "testing"

func kernels(testing.TB) []kernel {
	return []kernel{
		{name: "this build", mask: maskCopy, valid: valid},
		{name: "plain", mask: maskCopyPlain},
	}
}
