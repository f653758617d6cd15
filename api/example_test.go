package api_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"connectrpc.com/connect"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/api/apipb/apipbconnect"
	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A back end in Go publishes with the generated client, and finds out what went
// wrong from the details of an error.
func Example() {
	broker := memory.New(memory.Config{})
	server := httptest.NewServer(api.New(api.Config{Hub: hub.New(broker, hub.Config{}), Broker: broker, BrokerName: "memory"}))
	defer server.Close()

	client := apipbconnect.NewApiClient(http.DefaultClient, server.URL)
	published, err := client.Publish(context.Background(), &apipb.PublishRequest{Channel: "news", Data: []byte(`{"text":"hello"}`)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("offset", published.Offset)

	_, err = client.Publish(context.Background(), &apipb.PublishRequest{Channel: "", Data: []byte(`1`)})
	fmt.Println(connect.CodeOf(err), api.ReasonOf(err))

	// Output:
	// offset 1
	// invalid_argument bad_channel
}
