// Package client is a client of a Ropewalk server: it keeps one connection,
// comes back when that is lost, and goes on in every channel where it was.
//
//	c, err := client.New("ws://127.0.0.1:8000/connection/websocket", nil)
//	defer c.Close()
//	sub, err := c.Subscribe("news", nil)
//	for event, err := range sub.Events(ctx) {
//		switch e := event.(type) {
//		case *client.Publication: // one message, in order, none missing
//		case *client.Lost: // the server could not say what was missed here
//		}
//	}
//
// A subscription is one chain: each publication and each skip begins where the one
// before ended. Where the chain breaks the client subscribes again from the last
// position that it knows, and where the server's history does not reach back there,
// it says Lost before anything else. Nothing is missing in silence.
package client
