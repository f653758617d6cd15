package native

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A page of history ends before its reply is more than may wait for a client, whatever its
// publications hold: nobody is a slow consumer for having asked for it.
func TestHistoryPageFits(t *testing.T) {
	const maxQueue = 256 << 10
	tags := make(map[string]string)
	for i := range maxTags {
		tags[fmt.Sprint(i, strings.Repeat("\x01", maxTag-2))] = strings.Repeat("\x01", maxTag)
	}
	for name, m := range map[string]hub.Message{
		"data":   {Data: []byte(`"` + strings.Repeat("x", 5000) + `"`)},
		"base64": {Data: make([]byte, 5000), ContentType: "application/octet-stream"},
		"tags":   {Data: []byte("1"), Tags: tags},
		"names":  {Data: []byte("1"), ID: strings.Repeat("\x01", 64), Key: strings.Repeat("\x01", 64)},
		"little": {Data: []byte("1")},
	} {
		b := newBackEnd(t, Config{MaxQueue: maxQueue, Hub: hub.New(memory.New(memory.Config{}), hub.Config{
			Default: hub.Options{History: 1000, HistoryTime: time.Minute},
		})})
		m.Channel = strings.Repeat(`"`, hub.MaxChannelName)
		for i := range 1000 {
			if m.ID != "" {
				m.ID = fmt.Sprintf("%03d%s", i, m.ID[3:])
			}
			if _, err := b.Hub.Publish(context.Background(), m, nil); err != nil {
				t.Fatal(err)
			}
		}
		c := &conversation{handler: b.Handler}
		page, err := b.Hub.History(t.Context(), m.Channel, hub.Query{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		page = c.fitting(page)
		for _, codec := range []codec{jsonCodec{}, protobufCodec{}} {
			if n := codec.history(1, page).Size(); n > maxQueue/4+8<<10 {
				t.Errorf("%s: a page of %d publications is %d bytes in %s, want at most %d", name, len(page.Publications), n, codec.Format(), maxQueue/4)
			}
		}
		if n := len(page.Publications); n == 0 || n < 1000 && !page.More {
			t.Errorf("%s: %d publications, more = %v", name, n, page.More)
		}
	}
}
