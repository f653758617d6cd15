package service

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// kafkaPOM names what a Kafka server is made of.
//
//go:embed kafka/pom.xml
var kafkaPOM string

// kafkaJars has Maven's client get the jars once, and returns their folder.
var kafkaJars = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "ropewalk", fmt.Sprintf("kafka-4.1.0-%d", os.Getuid()))
	done := filepath.Join(dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	pom := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(pom, []byte(kafkaPOM), 0o600); err != nil {
		return "", err
	}
	//nolint:gosec,noctx // nothing of it comes from outside
	out, err := exec.Command("mvn", "-q", "-B", "-f", pom, "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("get kafka: %w\n%s", err, out)
	}
	return dir, os.WriteFile(done, nil, 0o600)
})

// A Door is another way into a Kafka: what it says to whoever comes in by one names Addr alone, which is
// to be carried to Target.
type Door struct{ Addr, Target string }

// Kafka starts a Kafka of one server, broker and controller in one.
func Kafka(ctx context.Context, doors ...Door) (*Process, error) {
	control, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	p, err := newKafka(1, []string{control}, doors)
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		_ = os.RemoveAll(p.Dir)
		return nil, err
	}
	return p, nil
}

// KafkaCluster starts one of several servers, each broker and controller in one, that all have what there is.
func KafkaCluster(ctx context.Context, servers int) (*Group, error) {
	var controls []string
	for range servers {
		control, err := FreeAddr()
		if err != nil {
			return nil, err
		}
		controls = append(controls, control)
	}
	g, err := newGroup(servers, func(i int) (*Process, error) { return newKafka(i+1, controls, nil) })
	if err != nil {
		return nil, err
	}
	return g, g.startAtOnce(ctx)
}

// newKafka makes the server of a number, which counts from 1, and does not start it.
func newKafka(id int, controls []string, doors []Door) (*Process, error) {
	jars, err := kafkaJars()
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "kafka-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "server.properties")
	listeners, advertised := "PLAINTEXT://"+addr+",CONTROLLER://"+controls[id-1], "PLAINTEXT://"+addr
	protocols := "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	for i, d := range doors {
		name := fmt.Sprint("DOOR", i)
		listeners += "," + name + "://" + d.Target
		advertised += "," + name + "://" + d.Addr
		protocols += "," + name + ":PLAINTEXT"
	}
	var voters []string
	for i, control := range controls {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, control))
	}
	lines := []string{
		"process.roles=broker,controller", fmt.Sprintf("node.id=%d", id),
		"listeners=" + listeners, "advertised.listeners=" + advertised, "listener.security.protocol.map=" + protocols,
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT", "controller.quorum.voters=" + strings.Join(voters, ","),
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=false", "offsets.topic.replication.factor=1", "offsets.topic.num.partitions=1",
		fmt.Sprintf("default.replication.factor=%d", len(controls)), fmt.Sprintf("min.insync.replicas=%d", len(controls)/2+1),
		"num.network.threads=1", "num.io.threads=2", "num.recovery.threads.per.data.dir=1", "log.cleaner.enable=false",
		"broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500", "controlled.shutdown.enable=false",
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	java := func(main string, args ...string) *exec.Cmd {
		args = append([]string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", filepath.Join(jars, "*"), main}, args...)
		return exec.Command("java", args...) //nolint:gosec,noctx // nothing of it comes from outside
	}
	if out, err := java("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", file).CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("format kafka: %w\n%s", err, out)
	}
	return &Process{
		Addr: addr, Dir: dir,
		command: func() *exec.Cmd { return java("kafka.Kafka", file) },
		ready:   func(ctx context.Context) error { return accepts(ctx, addr) },
	}, nil
}

// accepts reports whether somebody listens. A Kafka does once it serves.
func accepts(ctx context.Context, addr string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
