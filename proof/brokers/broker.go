package brokers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/seed-15847954/ropewalk/proof/service"
)

// A broker is one that is one process.
type broker struct {
	*service.Process
	scheme string
	saved  string // where a copy of its folder is; empty: there is none

	mounted bool // its folder is a disk of its own
}

func (b *broker) Addr() string { return b.Process.Addr }

func (b *broker) URL(addr string) string { return b.scheme + "://" + addr }

func (b *broker) Kill(context.Context) error {
	b.Process.Kill()
	return nil
}

func (b *broker) Pause(context.Context) error { return b.Process.Pause() }

func (b *broker) Close() error {
	b.Process.Kill()
	err := b.unmount()
	b.Discard()
	if b.saved != "" {
		err = errors.Join(err, os.RemoveAll(b.saved))
	}
	return err
}

// Save copies the broker's folder while it runs, as a snapshot of its disk would.
func (b *broker) Save(ctx context.Context) (err error) {
	if b.saved, err = os.MkdirTemp("", "saved-"); err != nil {
		return err
	}
	return copyAll(ctx, b.Dir, b.saved)
}

// Rewind has it go on from what was saved.
func (b *broker) Rewind(ctx context.Context) error {
	b.Process.Kill()
	if err := os.RemoveAll(b.Dir); err != nil {
		return err
	}
	if err := os.Mkdir(b.Dir, 0o700); err != nil {
		return err
	}
	if err := copyAll(ctx, b.saved, b.Dir); err != nil {
		return err
	}
	return b.Start(ctx)
}

// copyAll copies what is in a folder into another one.
func copyAll(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-a", from+"/.", to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy: %w\n%s", err, out)
	}
	return nil
}
