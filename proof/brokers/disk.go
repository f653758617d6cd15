package brokers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// diskSize is how large a small disk is: enough for a run, and soon full.
const diskSize = "256m"

// Shrink moves the broker to a disk of its own, which is small. That takes a restart, and root.
func (b *broker) Shrink(ctx context.Context) error {
	b.Process.Kill()
	kept, err := os.MkdirTemp("", "moved-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(kept) }()
	if err := copyAll(ctx, b.Dir, kept); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", b.Dir, "tmpfs", 0, "size="+diskSize); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", b.Dir, err)
	}
	b.mounted = true
	if err := copyAll(ctx, kept, b.Dir); err != nil {
		return err
	}
	return b.Start(ctx)
}

func (b *broker) filler() string { return filepath.Join(b.Dir, "filler") }

// Fill leaves no room on the disk.
func (b *broker) Fill() error {
	f, err := os.Create(b.filler())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2] // down to the last byte
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}

// Free makes room again, and restarts the broker, as an operator has to: some end when they cannot write,
// others write no more.
func (b *broker) Free(ctx context.Context) error {
	if err := os.Remove(b.filler()); err != nil {
		return err
	}
	b.End()
	return b.Start(ctx)
}

// unmount takes the small disk away, if there is one.
func (b *broker) unmount() error {
	if !b.mounted {
		return nil
	}
	return syscall.Unmount(b.Dir, syscall.MNT_DETACH)
}
