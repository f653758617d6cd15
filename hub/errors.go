package hub

import "errors"

// Errors that callers compare.
var (
	ErrAlreadySubscribed = errors.New("already subscribed")
	ErrNotSubscribed     = errors.New("not subscribed")

	// ErrTooManySubscribers means that Options.MaxSubscribers is reached.
	ErrTooManySubscribers = errors.New("too many subscribers")

	// ErrDataTooBig means that a message has more data than Options.MaxData.
	ErrDataTooBig = errors.New("data is too big")

	// ErrText means that something in a message that is text is not UTF-8.
	ErrText = errors.New("not UTF-8")

	// ErrNoHistory means that the channel keeps no history, or the broker cannot.
	ErrNoHistory = errors.New("no history")

	// ErrEpoch means that a position is of another life of the log.
	ErrEpoch = errors.New("position is of another epoch")

	// ErrTrimmed means that a publication behind the position is not kept any more.
	ErrTrimmed = errors.New("history does not reach back to the position")

	// ErrNoPresence means that the channel keeps no presence, or the broker cannot.
	ErrNoPresence = errors.New("no presence")

	// ErrNoPatterns means that the broker cannot hand over the channels of a pattern.
	ErrNoPatterns = errors.New("no patterns")

	// ErrGap is why subscribers are lost: publications did not get here, and what
	// is wrapped beside it says why history could not fill the gap.
	ErrGap = errors.New("publications are missing")
)
