package proof

import "context"

func slow() []*Fault { return nil }

// narrow reports whether client i has small buffers.
func (f *Fault) narrow(int) bool { return false }

func (f *Fault) after(context.Context, *run) error { return nil }
