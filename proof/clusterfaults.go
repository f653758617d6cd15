package proof

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// NodeFaults returns what goes wrong with the nodes of a cluster. Whatever node ends, the logs
// go on: nobody loses anything, and nobody is told that an epoch is gone.
func NodeFaults() []*Fault {
	return present([]*Fault{
		{Name: "nothing", act: nothing},
		{Name: "disconnect", act: disconnect},
		{Name: "cut", act: cut, proxied: true},
		{Name: "node drain", act: restart((*run).drain, 3)},
		{Name: "node kill", act: restart((*run).kill, 3)},
		{Name: "node pause", act: inCluster(3, pauseNode)},
		{Name: "clock", act: inCluster(3, stepClock)},
		{Name: "mixed faults", act: inCluster(6, anything), proxied: true, mayLose: true},
		clustered(stall("disconnect", "disconnected", 16<<10, false)),
		clustered(stall("catch_up", "lagged", 16<<10, false)),
	})
}

// BrokerFaults returns what goes wrong with a broker, and on the way to it.
func BrokerFaults() []*Fault {
	all := present([]*Fault{
		{Name: "broker kill", act: inCluster(2, killBroker)},
		{Name: "broker away", act: inCluster(1, takeBroker)},
		{Name: "broker pause", act: inCluster(2, pauseBroker)},
		{Name: "partition", act: inCluster(3, part)},
		{Name: "flapping", act: inCluster(2, flap)},
		{Name: DiskFull, act: fillDisk},
	})
	// What a broker had acknowledged since its older state is declared lost.
	return append(all, &Fault{Name: Rewind, act: rewind, restarts: true, loses: true})
}

// NetworkFaults returns what goes wrong with the network itself. They take root.
func NetworkFaults() []*Fault {
	return present([]*Fault{
		{Name: Dropped, act: inCluster(3, dropPackets), Settings: Settings{Hosts: true}},
		{Name: DroppedAgain, act: inCluster(2, flapPackets), Settings: Settings{Hosts: true}},
	})
}

// Upgrade returns the fault of nodes that begin with an older version of the program, and are put on this
// one in turn, while clients and publishers go on. The last one goes back once in between.
func Upgrade(older string) *Fault {
	f := &Fault{Name: "upgrade", act: inCluster(Nodes+2, upgrade), Settings: Settings{Older: older}}
	return present([]*Fault{f})[0]
}

// ReplicaFaults returns what goes wrong with the masters of a broker that has replicas. What those did not get
// in time is declared lost.
func ReplicaFaults() []*Fault {
	return present([]*Fault{
		{Name: "promotion", act: inCluster(2, promote), mayLose: true},
		{Name: "sleeping master", act: inCluster(2, sleepMaster), mayLose: true},
	})
}

// ServerFaults returns what goes wrong with one server of a broker that goes on without it.
func ServerFaults() []*Fault {
	return present([]*Fault{
		{Name: "server kill", act: inCluster(3, killBroker)},
		{Name: "server away", act: inCluster(3, takeBroker)},
		{Name: "server pause", act: inCluster(3, pauseBroker)},
	})
}

// promoteTime bounds the promotion of a replica.
const promoteTime = time.Minute

// promoted waits for that.
func (c *cluster) promoted(ctx context.Context) error {
	b, ok := c.broker.(Promoter)
	if !ok {
		return errors.New("this broker has no replicas")
	}
	ctx, cancel := context.WithTimeout(ctx, promoteTime)
	defer cancel()
	return b.Promoted(ctx)
}

// promote has a replica take the place of a master that has ended and comes back later.
func promote(ctx context.Context, _ *run, c *cluster) error {
	if err := c.broker.Kill(ctx); err != nil {
		return err
	}
	if err := c.promoted(ctx); err != nil {
		return err
	}
	return c.broker.Start(ctx)
}

// sleepMaster has it take the place of one that goes on as if nothing had been.
func sleepMaster(ctx context.Context, _ *run, c *cluster) error {
	if err := c.broker.Pause(ctx); err != nil {
		return err
	}
	if err := c.promoted(ctx); err != nil {
		return err
	}
	return c.broker.Resume()
}

const (
	// Rewind is the name of the fault of a broker that was put back to an older state.
	Rewind = "rewind"

	// Dropped is the name of the fault of a network that drops packets; it takes root.
	Dropped = "packets dropped"

	// DroppedAgain is the name of that over and over.
	DroppedAgain = "packets dropped, flapping"

	// DiskFull is the name of the fault of one that cannot write; it takes root.
	DiskFull = "disk full"
)

// present has presence be right in the end.
func present(faults []*Fault) []*Fault {
	for _, f := range faults {
		f.presence = true
	}
	return faults
}

// clustered has f not ask a node what it has done: another one may have done it.
func clustered(f *Fault) *Fault {
	act := f.act
	f.act = func(ctx context.Context, r *run) error {
		r.acts++
		return act(ctx, r)
	}
	f.count = nil
	return f
}

// inCluster does act n times. Behind each of them publishing succeeds soon.
func inCluster(n int, act func(ctx context.Context, r *run, c *cluster) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		c, ok := r.server.(*cluster)
		if !ok {
			return errors.New("this fault needs a cluster")
		}
		return r.parts(ctx, n, func() error {
			r.acts++
			if err := act(ctx, r, c); err != nil {
				return err
			}
			r.recovers(ctx)
			return nil
		})
	}
}

// recoverTime bounds how long behind a fault publishing may fail.
const recoverTime = 10 * time.Second

// recovers fails the run if publishing does not succeed again.
func (r *run) recovers(ctx context.Context) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, recoverTime)
	defer cancel()
	m := sendPlan{channel: "recovers", id: fmt.Sprintf("act %d", r.acts), data: []byte(`1`)}
	if _, err := r.direct.send(ctx, m); err != nil {
		r.result.failed("publishing fails %v behind act %d: %v", time.Since(began).Round(time.Millisecond), r.acts, err)
	}
}

// hold waits for a time between least and twice that.
func (r *run) hold(ctx context.Context, least time.Duration) {
	pause(ctx, least+time.Duration(r.chance.Int64N(int64(least))))
}

func pauseNode(ctx context.Context, r *run, c *cluster) error {
	n := c.next()
	if err := n.Pause(); err != nil {
		return err
	}
	r.hold(ctx, 2*time.Second)
	return n.Resume()
}

// upgrade puts the next node on the other version.
func upgrade(ctx context.Context, r *run, c *cluster) error {
	turn := r.acts - 1
	if turn >= Nodes { // the last one goes back, and on
		return c.nodes[Nodes-1].Become(ctx, []string{r.fault.Settings.Older, c.program}[turn-Nodes])
	}
	return c.nodes[turn].Become(ctx, c.program)
}

// cutOff has all packets dropped between a node and the broker, or the other nodes where that is in the nodes: one way
// or both.
func (c *cluster) cutOff(node int, out, in bool) error {
	others := []string{c.net.brokers()}
	if c.broker == nil {
		others = nil
		for i := range Nodes {
			if i != node {
				others = append(others, c.net.host(i))
			}
		}
	}
	var failed []error
	for _, other := range others {
		if out {
			failed = append(failed, c.net.drop(c.net.host(node), other))
		}
		if in {
			failed = append(failed, c.net.drop(other, c.net.host(node)))
		}
	}
	return errors.Join(failed...)
}

// dropPackets cuts one node off for a while.
func dropPackets(ctx context.Context, r *run, c *cluster) error {
	ways := 1 + r.chance.IntN(3)
	if err := c.cutOff(r.acts%Nodes, ways&1 != 0, ways&2 != 0); err != nil {
		return err
	}
	r.hold(ctx, 3*time.Second)
	return c.net.heal()
}

// flapPackets does so over and over.
func flapPackets(ctx context.Context, r *run, c *cluster) error {
	for range 8 {
		if err := c.cutOff(r.acts%Nodes, true, true); err != nil {
			return err
		}
		r.hold(ctx, 200*time.Millisecond)
		if err := c.net.heal(); err != nil {
			return err
		}
		r.hold(ctx, 100*time.Millisecond)
	}
	return nil
}

// stepClock has a node's wall clock step, forward or back, for good.
func stepClock(ctx context.Context, r *run, c *cluster) error {
	by := []time.Duration{time.Minute, time.Hour, 400 * 24 * time.Hour}[r.chance.IntN(3)]
	if r.chance.IntN(2) == 0 {
		by = -by
	}
	err := c.next().Step(by)
	r.hold(ctx, 500*time.Millisecond)
	return err
}

func killBroker(ctx context.Context, _ *run, c *cluster) error {
	if err := c.broker.Kill(ctx); err != nil {
		return err
	}
	return c.broker.Start(ctx)
}

// takeBroker has the broker be away for a while.
func takeBroker(ctx context.Context, r *run, c *cluster) error {
	if err := c.broker.Kill(ctx); err != nil {
		return err
	}
	r.hold(ctx, 4*time.Second)
	return c.broker.Start(ctx)
}

func pauseBroker(ctx context.Context, r *run, c *cluster) error {
	if err := c.broker.Pause(ctx); err != nil {
		return err
	}
	r.hold(ctx, 2*time.Second)
	return c.broker.Resume()
}

// part takes the way to the broker from one node, one way or both.
func part(ctx context.Context, r *run, c *cluster) error {
	n := c.next()
	ways := 1 + r.chance.IntN(3)
	n.link.Stop(ways&1 != 0, ways&2 != 0)
	r.hold(ctx, 3*time.Second)
	n.link.Resume()
	return nil
}

// flap does so over and over, and breaks connections as well.
func flap(ctx context.Context, r *run, c *cluster) error {
	n := c.next()
	for range 8 {
		n.link.Stop(true, true)
		r.hold(ctx, 100*time.Millisecond)
		n.link.Break(r.chance, 2)
		n.link.Resume()
		r.hold(ctx, 100*time.Millisecond)
		n.link.Heal()
	}
	return nil
}

// anything is one of them all.
func anything(ctx context.Context, r *run, c *cluster) error {
	kinds := 4 // without those of a broker
	if c.broker != nil {
		kinds = 7
	}
	switch r.chance.IntN(kinds) {
	case 0:
		return c.Drain(ctx)
	case 1:
		return c.Kill(ctx)
	case 2:
		return pauseNode(ctx, r, c)
	case 3:
		r.proxy.Break(r.chance, r.some(5))
	case 4:
		return killBroker(ctx, r, c)
	case 5:
		return pauseBroker(ctx, r, c)
	case 6:
		return part(ctx, r, c)
	}
	return nil
}

// fillDisk leaves the broker no room for a while, twice.
func fillDisk(ctx context.Context, r *run) error {
	if c, ok := r.server.(*cluster); ok {
		if f, ok := c.broker.(Filler); ok {
			if err := f.Shrink(ctx); err != nil {
				return err
			}
		}
	}
	return inCluster(2, func(ctx context.Context, r *run, c *cluster) error {
		f, ok := c.broker.(Filler)
		if !ok {
			return errors.New("this broker has no disk that could be full")
		}
		if err := f.Fill(); err != nil {
			return err
		}
		r.hold(ctx, 2*time.Second)
		return f.Free(ctx)
	})(ctx, r)
}

// rewind puts the broker back once.
func rewind(ctx context.Context, r *run) error {
	c, ok := r.server.(*cluster)
	if !ok {
		return errors.New("this fault needs a cluster")
	}
	b, ok := c.broker.(Rewinder)
	if !ok {
		return errors.New("this broker cannot be put back")
	}
	if err := r.progress.wait(ctx, 0.2+0.2*r.chance.Float64()); err != nil {
		return err
	}
	if err := b.Save(ctx); err != nil {
		return err
	}
	if err := r.progress.wait(ctx, 0.5+0.3*r.chance.Float64()); err != nil {
		return err
	}
	r.acts++
	if err := b.Rewind(ctx); err != nil {
		return err
	}
	r.recovers(ctx)
	return nil
}
