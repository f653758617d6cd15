package partitioned

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-15847954/ropewalk/broker/wire"
)

// A word is what a node says of itself in a partition.
type word struct {
	node   string
	number uint64 // no other word of the node has it, so that no two records are alike
	epoch  string // as the node knows it
	asks   uint64 // the number of its question, or 0
	to     string // whose question it answers
	about  uint64 // the number of that
	steady uint64 // from which place on the node has not been away; 0: it does not know yet
	bye    bool   // it ends
}

// The fields of a word.
const (
	wordNode protowire.Number = iota + 1
	wordNumber
	wordEpoch
	wordAsks
	wordTo
	wordAbout
	wordSteady
	wordBye
)

func (w *word) record() (b []byte) {
	b = append(b, kindWord)
	b = appendText(b, wordNode, w.node)
	b = appendNumber(b, wordNumber, w.number)
	b = appendText(b, wordEpoch, w.epoch)
	b = appendNumber(b, wordAsks, w.asks)
	b = appendText(b, wordTo, w.to)
	b = appendNumber(b, wordAbout, w.about)
	b = appendNumber(b, wordSteady, w.steady)
	if w.bye {
		b = appendNumber(b, wordBye, 1)
	}
	return b
}

// parseWord returns the word that a record is.
func parseWord(value []byte) (w word, err error) {
	err = wire.Fields(value[1:], func(n protowire.Number, v []byte, i uint64) error {
		switch n {
		case wordNode:
			w.node = string(v)
		case wordNumber:
			w.number = i
		case wordEpoch:
			w.epoch = string(v)
		case wordAsks:
			w.asks = i
		case wordTo:
			w.to = string(v)
		case wordAbout:
			w.about = i
		case wordSteady:
			w.steady = i
		case wordBye:
			w.bye = i != 0
		}
		return nil
	})
	if err == nil && (w.node == "" || len(w.node) > 100) {
		err = errors.New("no word")
	}
	return w, err
}
