// Package partitioned makes a broker of a log in partitions, such as a topic of Kafka or a
// set of streams of RabbitMQ. A channel is in one partition, by its name; every node reads every
// partition whole and in order, and so knows of each channel all there is.
package partitioned

import (
	"context"
	"time"
)

// A Log is a set of partitions that many nodes append to and read. All methods may be
// called at once by many goroutines.
type Log interface {
	// Partitions returns how many there are, which never changes.
	Partitions() int

	// Append puts a record at the end of a partition. Records that are appended one after
	// the other are in that order; those that are appended at once are batched. Without
	// an error the log has it, as safely as it is set up to; an error that does not wrap
	// [hub.ErrIndeterminate] means that the record is not in the log and never will be.
	// key is the channel's name, for whoever looks into the log by other means.
	Append(ctx context.Context, partition int, key string, value []byte) error

	// Read hands each record of a partition to r, from the first one that is not older than
	// since on, until ctx ends, and then returns nil. It connects again by itself and goes on where it
	// was. An error means that it cannot go on, such as a partition that is not what it was.
	Read(ctx context.Context, partition int, since time.Time, r Reader) error

	// End returns an offset such that every record that was acknowledged before the call
	// is below it.
	End(ctx context.Context, partition int) (uint64, error)
}

// A Reader takes one partition. Its methods are called one at a time.
type Reader interface {
	// Begin is called before the first record, and again before records that do not continue
	// those before: the log has lost some, was made anew, or was cut off. life names the
	// life of the partition, is never empty and differs from every earlier one; first is the offset of the
	// record to come first, where records there are; whole says that the log had none before first.
	Begin(life string, first uint64, whole bool)

	// Record is called for each record. Offsets rise and need not be dense.
	Record(r Record)

	// Connected says whether the partition is being read, with the reason why not. A reader
	// that is not connected is told nothing of what happens.
	Connected(cause error)
}

// A Record is what Append has put into a log.
type Record struct {
	Offset uint64
	Time   time.Time // when the log took it, by the clock of its server
	Key    string
	Value  []byte // kept by whoever gets it; one that is empty only marks its place
}
