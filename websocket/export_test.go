package websocket

// In tests, a pooled buffer that is used after it was given back holds garbage.
func init() { poison = true }
