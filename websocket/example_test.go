package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsjson"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// An echo server, and a client that talks to it.
func Example_echo() {
	echo := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // the client has been answered
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(r.Context())
			if err != nil {
				return // the client has closed, and been answered
			}
			if err := c.Write(r.Context(), typ, p); err != nil {
				return
			}
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, strings.Replace(srv.URL, "http", "ws", 1), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Text, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	typ, p, err := c.Read(ctx)
	fmt.Println(typ, string(p), err)
	fmt.Println(c.Close(websocket.CloseNormal, "bye"))
	// Output:
	// text hello <nil>
	// <nil>
}

// A room passes what each member says to all members.
type room struct {
	mu      sync.Mutex
	members map[*member]bool
}

type member struct {
	name  string
	queue chan string // what is to be sent to it
}

// join serves c until it ends.
func (r *room) join(ctx context.Context, name string, c *websocket.Conn) {
	defer c.CloseNow()
	m := &member{name, make(chan string, 16)}
	r.mu.Lock()
	r.members[m] = true
	r.mu.Unlock()
	r.say(name + " joins")
	go m.send(ctx, c)
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			break
		}
		r.say(name + ": " + string(p))
	}
	r.mu.Lock()
	delete(r.members, m)
	close(m.queue)
	r.mu.Unlock()
	r.say(name + " leaves")
}

// say never waits: a member that does not keep up misses messages.
func (r *room) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.members {
		select {
		case m.queue <- text:
		default:
		}
	}
}

func (m *member) send(ctx context.Context, c *websocket.Conn) {
	for text := range m.queue {
		if c.Write(ctx, websocket.Text, []byte(text)) != nil {
			c.CloseNow() // ends the member's Read
			return
		}
	}
}

// A chat room: one goroutine reads from a member, another one sends to it, so that
// a slow member holds up nobody else.
func Example_chat() {
	ctx := context.Background()
	chat := &room{members: make(map[*member]bool)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		chat.join(r.Context(), r.URL.Query().Get("name"), c)
	}))
	defer srv.Close()

	dial := func(name string) *websocket.Conn {
		c, _, err := websocket.Dial(ctx, strings.Replace(srv.URL, "http", "ws", 1)+"?name="+name, nil)
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	hear := func(who string, c *websocket.Conn) {
		_, p, err := c.Read(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s hears %q\n", who, p)
	}
	ann := dial("ann")
	defer ann.CloseNow()
	hear("ann", ann)
	bob := dial("bob")
	hear("ann", ann)
	hear("bob", bob)
	if err := bob.Write(ctx, websocket.Text, []byte("good morning")); err != nil {
		log.Fatal(err)
	}
	hear("ann", ann)
	hear("bob", bob)
	bob.Close(websocket.CloseNormal, "")
	hear("ann", ann)
	ann.Close(websocket.CloseNormal, "")
	// Output:
	// ann hears "ann joins"
	// ann hears "bob joins"
	// bob hears "bob joins"
	// ann hears "bob: good morning"
	// bob hears "bob: good morning"
	// ann hears "bob leaves"
}

// JSON messages, by package wsjson.
func Example_json() {
	type command struct {
		ID      int    `json:"id"`
		Channel string `json:"channel"`
	}
	ctx := context.Background()
	client, server := wstest.Pipe(websocket.Params{})
	defer client.CloseNow()
	defer server.CloseNow()

	go wsjson.Write(ctx, client, command{1, "news"})
	var got command
	if err := wsjson.Read(ctx, server, &got); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", got)
	// Output: {ID:1 Channel:news}
}

// A server that goes away tells its clients. http.Server.Shutdown leaves WebSocket
// connections alone, so that the application keeps a list of them.
func Example_gracefulShutdown() {
	var (
		mu    sync.Mutex
		conns = make(map[*websocket.Conn]bool)
	)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		mu.Lock()
		conns[c] = true
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			delete(conns, c)
		}()
		if c.Write(r.Context(), websocket.Text, []byte("welcome")) != nil {
			return
		}
		for {
			if _, _, err := c.Read(r.Context()); err != nil {
				return
			}
		}
	}))
	shutdown := func(ctx context.Context) error {
		// No new connections from here on.
		err := srv.Config.Shutdown(ctx)
		mu.Lock()
		defer mu.Unlock()
		var closing sync.WaitGroup
		for c := range conns {
			closing.Go(func() { c.Close(websocket.CloseGoingAway, "restart") })
		}
		closing.Wait() // each takes CloseTimeout at most
		return err
	}

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, strings.Replace(srv.URL, "http", "ws", 1), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.CloseNow()
	if _, _, err := c.Read(ctx); err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- shutdown(ctx) }()
	_, _, err = c.Read(ctx)
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		fmt.Println(closed.Code, closed.Reason)
	}
	fmt.Println(<-done)
	// Output:
	// 1001 going away restart
	// <nil>
}

// A message that is too large for memory is read and written piece by piece.
func ExampleConn_Reader() {
	ctx := context.Background()
	client, server := wstest.Pipe(websocket.Params{})
	defer client.CloseNow()
	defer server.CloseNow()
	go func() {
		w, err := client.Writer(ctx, websocket.Text)
		if err != nil {
			return
		}
		defer w.Close()
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
		}
	}()
	_, r, err := server.Reader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var text strings.Builder
	n, err := io.Copy(&text, r)
	fmt.Println(n, err)
	fmt.Print(text.String())
	// Output:
	// 21 <nil>
	// line 0
	// line 1
	// line 2
}

// A context ends a call and not the connection: the next Read takes up what the
// last one left.
func ExampleConn_Read() {
	client, server := wstest.Pipe(websocket.Params{})
	defer client.CloseNow()
	defer server.CloseNow()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := server.Read(ctx)
	fmt.Println(err)

	ctx = context.Background()
	go client.Write(ctx, websocket.Text, []byte("still here"))
	_, p, err := server.Read(ctx)
	fmt.Println(string(p), err)
	// Output:
	// websocket: call given up: context canceled
	// still here <nil>
}

// Another protocol runs through the connection as if it were TCP.
func ExampleNetConn() {
	ctx := context.Background()
	client, server := wstest.Pipe(websocket.Params{})
	defer client.CloseNow()
	go func() {
		c := websocket.NetConn(ctx, server, websocket.Binary)
		defer c.Close()
		fmt.Fprint(c, "through the ")
		fmt.Fprint(c, "tunnel")
	}()
	all, err := io.ReadAll(websocket.NetConn(ctx, client, websocket.Binary))
	fmt.Println(string(all), err)
	// Output: through the tunnel <nil>
}
