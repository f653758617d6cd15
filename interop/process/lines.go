package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// Lines is a program that takes commands on standard input and answers on
// standard output, one JSON object a line:
//
//	-> {"id":1,"do":"open","with":{"url":"..."}}
//	<- {"id":1,"result":...}   or   {"id":1,"error":"..."}
//
// Commands may overlap; answers carry the command's id.
type Lines struct {
	*Process
	stdin io.WriteCloser

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer // nil once the program prints no more
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

// StartLines starts cmd as such a program.
func StartLines(cmd *exec.Cmd) (*Lines, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// Not StdoutPipe: Wait would close it under the reader.
	r, w := io.Pipe()
	cmd.Stdout = w
	p, err := Start(cmd)
	if err != nil {
		return nil, err
	}
	l := &Lines{Process: p, stdin: stdin, waiting: map[int]chan answer{}}
	go l.read(r)
	go func() {
		<-p.exited
		_ = w.Close()
	}()
	return l, nil
}

// Do sends one command, waits for its answer and decodes it into result, which
// may be nil.
func (l *Lines) Do(ctx context.Context, do string, with, result any) error {
	id, answered, err := l.send(do, with)
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", do, err, l.Output())
	}
	select {
	case a, ok := <-answered:
		if !ok {
			return fmt.Errorf("%s: %s ended\n%s", do, l.cmd.Path, l.Output())
		}
		if a.Error != "" {
			return fmt.Errorf("%s: %s", do, a.Error)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.waiting, id)
		l.mu.Unlock()
		return fmt.Errorf("%s: no answer: %w\n%s", do, context.Cause(ctx), l.Output())
	}
}

func (l *Lines) send(do string, with any) (int, <-chan answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		return 0, nil, errors.New("the program has ended")
	}
	l.next++
	line, err := json.Marshal(map[string]any{"id": l.next, "do": do, "with": with})
	if err != nil {
		return 0, nil, err
	}
	answered := make(chan answer, 1)
	l.waiting[l.next] = answered
	_, err = l.stdin.Write(append(line, '\n'))
	return l.next, answered, err
}

func (l *Lines) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			_, _ = l.output.Write(line) // not an answer: something that it printed
			continue
		}
		l.mu.Lock()
		if c, ok := l.waiting[a.ID]; ok {
			delete(l.waiting, a.ID)
			c <- a
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.waiting {
		close(c)
	}
	l.waiting = nil
}
