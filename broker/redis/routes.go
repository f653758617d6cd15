package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

const (
	// lookTime is how often a cluster is asked who serves what, and Sentinel who is the master, without
	// a reason.
	lookTime = 10 * time.Second

	// soonTime is when it is asked again after it did not say.
	soonTime = 200 * time.Millisecond

	slots = 16384
)

// slotOf returns the slot of a tag: CRC-16/XMODEM, as Redis Cluster has it.
func slotOf(tag string) int {
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}

// kick has the routes looked at, soon. It does not block.
func (l *links) kick() {
	select {
	case l.kicked <- struct{}{}:
	default: // somebody wants it already
	}
}

// watch keeps the links to the masters of a cluster.
func (l *links) watch() {
	for {
		next := lookTime
		ctx, cancel := context.WithTimeout(l.ctx, lookTime)
		routes, err := l.b.look(ctx)
		cancel()
		if err == nil {
			l.follow(routes)
		} else {
			next = soonTime
			if l.ctx.Err() == nil {
				l.b.config.Log.Warn("redis: the cluster does not say who serves what", "error", err)
			}
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-l.kicked:
			if pause(l.ctx, soonTime) != nil { // whoever kicks may do so often
				return
			}
		case <-l.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// follow has each place come over the link to its master.
func (l *links) follow(routes [places]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted, gains := make(map[string]bool), make(map[string]bool)
	for p, addr := range routes {
		wanted[addr] = true
		if addr != l.routes[p] {
			gains[addr] = true
		}
	}
	l.routes = routes
	for addr, k := range maps.All(l.servers) {
		if !wanted[addr] {
			k.cancel()
			delete(l.servers, addr)
		}
	}
	for addr := range wanted {
		switch k := l.servers[addr]; {
		case k == nil:
			l.open(addr)
		case gains[addr]:
			k.cut(errMoved)
		}
	}
	if len(gains) > 0 {
		l.signal()
	}
}

// look asks one server of the cluster who serves what.
func (b *Broker) look(ctx context.Context) (routes [places]string, err error) {
	nodes := b.client.Nodes()
	errs := []error{errors.New("no server is known")}
	for addr, node := range nodes { // in random order
		one, cancel := context.WithTimeout(ctx, lookTime/5)
		routes, err = ask(one, addr, node)
		cancel()
		if err == nil {
			return routes, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", addr, err))
	}
	return routes, errors.Join(errs[min(1, len(nodes)):]...)
}

func ask(ctx context.Context, asked string, node rueidis.Client) (routes [places]string, err error) {
	ranges, err := node.Do(ctx, node.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return routes, err
	}
	var masters [slots]string
	for _, r := range ranges {
		first, last, addr, err := parseRange(r, asked)
		if err != nil {
			return routes, err
		}
		for slot := first; slot <= last; slot++ {
			masters[slot] = addr
		}
	}
	for p := range routes {
		slot := slotOf(partition(p).tag())
		if routes[p] = masters[slot]; routes[p] == "" {
			return routes, fmt.Errorf("slot %d is served by nobody", slot)
		}
	}
	return routes, nil
}

// parseRange returns slots and the address of their master. A server that does not know its own
// address is the one that was asked.
func parseRange(r rueidis.RedisMessage, asked string) (first, last int64, addr string, err error) {
	parts, err := r.ToArray()
	if err != nil || len(parts) < 3 {
		return 0, 0, "", errors.New("not a range of slots")
	}
	master, err := parts[2].ToArray()
	if err != nil || len(master) < 2 {
		return 0, 0, "", errors.New("not the address of a server")
	}
	first, err1 := parts[0].AsInt64()
	last, err2 := parts[1].AsInt64()
	port, err3 := master[1].AsInt64()
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, 0, "", err
	}
	if first < 0 || last >= slots {
		return 0, 0, "", fmt.Errorf("there are no slots %d to %d", first, last)
	}
	host, err := master[0].ToString()
	if err != nil && !rueidis.IsRedisNil(err) {
		return 0, 0, "", err
	}
	if slices.Contains([]string{"", "?"}, host) {
		host, _, _ = net.SplitHostPort(asked)
	}
	return first, last, net.JoinHostPort(host, strconv.FormatInt(port, 10)), nil
}
