package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-15847954/ropewalk/client"
)

const (
	// callTime bounds one call, whose answer may never come.
	callTime = 5 * time.Second

	// againTime is between a call that got no answer and the next one.
	againTime = 20 * time.Millisecond

	binaryType = "application/octet-stream"
)

// A back is a back end that calls the server's API. Its methods may be called at
// once.
type back struct {
	url  string
	http *http.Client
}

func newBack(addr string) *back {
	return &back{url: "http://" + addr + "/api/", http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
}

func (b *back) close() { b.http.CloseIdleConnections() }

// An apiError is an answer that says no.
type apiError struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Retry   bool   `json:"retry"`
}

func (e *apiError) Error() string { return e.Reason + ": " + e.Message }

// call calls a method once. An error that is no *apiError leaves open what the server did.
func (b *back) call(ctx context.Context, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK {
		return json.NewDecoder(resp.Body).Decode(out)
	}
	refused := new(apiError)
	if err := json.NewDecoder(resp.Body).Decode(refused); err != nil {
		return fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	return refused
}

type apiPosition struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

type publishCall struct {
	Channel     string          `json:"channel"`
	ID          string          `json:"id"`
	Key         string          `json:"key,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Base64      []byte          `json:"base64,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
	Expect      *apiPosition    `json:"expect,omitempty"`
}

// send implements sender.
func (b *back) send(ctx context.Context, m sendPlan) (client.Published, error) {
	in := publishCall{Channel: m.channel, ID: m.id, Key: m.key}
	if m.binary {
		in.Base64, in.ContentType = m.data, binaryType
	} else {
		in.Data = m.data
	}
	if m.refused {
		in.Expect = &apiPosition{"none", 1}
	}
	for {
		var out apiPosition
		err := b.call(ctx, "publish", in, &out)
		if err == nil {
			return client.Published{Position: client.Position(out)}, nil
		}
		if refused, ok := errors.AsType[*apiError](err); ok && !refused.Retry {
			return client.Published{}, fmt.Errorf("%w: %w", errRefused, refused)
		}
		if !pause(ctx, againTime) {
			return client.Published{}, err
		}
	}
}

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// disconnect ends a client's connection such that it comes back, and reports whether it
// was there.
func (b *back) disconnect(ctx context.Context, name string) (bool, error) {
	var out struct {
		Clients int `json:"clients"`
	}
	err := b.call(ctx, "disconnect", map[string]any{"client": name, "retry": true, "reason": "proof"}, &out)
	if refused, ok := errors.AsType[*apiError](err); ok && refused.Reason == "no_client" {
		return false, nil
	}
	return out.Clients > 0, err
}

// slow returns what became of slow clients, by the names that Info has.
func (b *back) slow(ctx context.Context) (map[string]int, error) {
	var out struct {
		Slow map[string]int `json:"slow"`
	}
	err := b.call(ctx, "info", struct{}{}, &out)
	return out.Slow, err
}

// present returns how many clients are in a channel.
func (b *back) present(ctx context.Context, channel string) (int, error) {
	var out struct {
		Clients int `json:"clients"`
	}
	err := b.call(ctx, "presence_count", map[string]string{"channel": channel}, &out)
	return out.Clients, err
}
