package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seed-15847954/ropewalk/broker/nats"
	"github.com/seed-15847954/ropewalk/broker/registry"
	"github.com/seed-15847954/ropewalk/protocol/native"
)

// A Setting is one key of the configuration. In a file it is written as Key, in
// the environment as ROPEWALK_ and the key in capitals, and as a flag with dashes:
// limits.data is ROPEWALK_LIMITS_DATA and --limits-data.
type Setting struct {
	Key     string
	Usage   string // one line, for help
	Default string
	Allowed string // what a value may be

	// Bool and List say what kind of value it has. A list is a sequence in a file,
	// and separated by commas elsewhere.
	Bool, List bool

	// Secret settings may hold a password: their values are never shown.
	Secret bool

	set func(c *Config, values []string) error
}

// Flag returns the name of the setting's flag.
func (s Setting) Flag() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key)
}

// Env returns the name of the setting's environment variable.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

const envPrefix = "ROPEWALK_"

// Settings returns every key, in the order of the documentation.
func Settings() []Setting {
	settings := []Setting{
		{
			Key: "listen", Usage: "address to listen on", Default: "127.0.0.1:8000",
			Allowed: "host:port such as 127.0.0.1:8000",
			set:     one(func(c *Config, s string) error { c.Listen = s; return checkAddress(s) }),
		},
		{
			Key: "dev", Usage: "serve a page at / to try the server with", Default: "false",
			Allowed: "true or false", Bool: true,
			set: one(func(c *Config, s string) (err error) { c.Dev, err = parseBool(s); return }),
		},
		{
			Key: "broker", Usage: "where the channels' logs are", Default: registry.Memory,
			Allowed: registry.Allowed, Secret: true,
			set: one(func(c *Config, s string) error { c.Broker = s; return registry.Check(s) }),
		},
		{
			Key: "cluster", Usage: "addresses at which the nodes of a cluster reach one another",
			Allowed: "a list of host:port, 3 or another odd number of them", List: true,
			set: func(c *Config, v []string) error {
				c.Cluster = v
				return nats.EmbeddedConfig{Cluster: v, Secret: "-", Dir: "-"}.Check()
			},
		},
		{
			Key: "cluster_listen", Usage: "this node's address of the cluster, where it is not the only one on this machine",
			Allowed: "one of cluster",
			set:     one(func(c *Config, s string) error { c.ClusterListen = s; return checkNode(s) }),
		},
		{
			Key: "cluster_secret", Usage: "what the nodes of the cluster know one another by", Secret: true,
			Allowed: "any text, the same on all nodes",
			set:     one(func(c *Config, s string) error { c.ClusterSecret = s; return nil }),
		},
		{
			Key: "advertise", Usage: "where the other nodes that share the broker reach this one",
			Allowed: "host:port; nothing for the address it listens on",
			set:     one(func(c *Config, s string) error { c.Advertise = s; return checkNode(s) }),
		},
		{
			Key: "data", Usage: "folder of the embedded broker", Default: "data",
			Allowed: "a path",
			set:     one(func(c *Config, s string) error { c.Data = s; return nil }),
		},
		{
			Key: "no_sync", Usage: "let the embedded broker acknowledge what is not on the disk yet", Default: "false",
			Allowed: "true or false", Bool: true,
			set: one(func(c *Config, s string) (err error) { c.NoSync, err = parseBool(s); return }),
		},
		{
			Key: "insecure_public", Usage: "let listen be an address that other machines reach", Default: "false",
			Allowed: "true or false", Bool: true,
			set: one(func(c *Config, s string) (err error) { c.InsecurePublic, err = parseBool(s); return }),
		},
		{
			Key: "origins", Usage: "origins whose pages may connect besides the server's own",
			Allowed: "a list of [scheme://]host[:port], where a host may begin with *.", List: true,
			set: func(c *Config, v []string) error { c.Origins = v; return checkOrigins(v) },
		},
		{
			Key: "hosts", Usage: "names under which the server may be asked for besides localhost and addresses",
			Allowed: "a list of host names without port", List: true,
			set: func(c *Config, v []string) error { c.Hosts = v; return checkHosts(v) },
		},
		{
			Key: "drain_timeout", Usage: "time for the orderly end of all connections", Default: "10s",
			Allowed: "a duration from 1ms to 1h such as 10s",
			set:     one(func(c *Config, s string) (err error) { c.DrainTimeout, err = parseDuration(s); return }),
		},
		{
			Key: "log.level", Usage: "least level to log", Default: "info",
			Allowed: "debug, info, warn or error",
			set:     one(func(c *Config, s string) (err error) { c.LogLevel, err = parseLevel(s); return }),
		},
		{
			Key: "log.format", Usage: "form of the log", Default: "text",
			Allowed: "text or json",
			set:     one(func(c *Config, s string) (err error) { c.LogFormat, err = parseFormat(s); return }),
		},
		{
			Key: "limits.data", Usage: "largest data of one publication, in bytes", Default: "65536",
			Allowed: "a whole number from 1 to 16777216",
			set:     one(func(c *Config, s string) (err error) { c.MaxData, err = parseInt(s, 1, 16<<20); return }),
		},
		{
			Key: "limits.queue", Usage: "most bytes that wait to be sent to one client", Default: "1048576",
			Allowed: "a whole number from 1024 to 1073741824",
			set:     one(func(c *Config, s string) (err error) { c.MaxQueue, err = parseInt(s, 1<<10, 1<<30); return }),
		},
		{
			Key: "limits.subscriptions", Usage: "most channels of one client", Default: "128",
			Allowed: "a whole number from 1 to 1000000",
			set:     one(func(c *Config, s string) (err error) { c.MaxSubscriptions, err = parseInt(s, 1, 1e6); return }),
		},
		{
			Key: "limits.history", Usage: "most bytes that the histories of all channels take", Default: "268435456",
			Allowed: "a whole number from 1048576 to 1099511627776",
			set:     one(func(c *Config, s string) (err error) { c.MaxHistory, err = parseInt(s, 1<<20, 1<<40); return }),
		},
		{
			Key: "resume_time", Usage: "how long a client that lost its connection is still taken as present", Default: "10s",
			Allowed: "0s, or a duration up to 1h such as 10s",
			set:     one(func(c *Config, s string) (err error) { c.ResumeTime, err = parseResume(s); return }),
		},
	}
	for _, s := range channelSettings() {
		settings = append(settings, s.setting())
	}
	return settings
}

// errValue says that a value is not what the setting allows.
var errValue = errors.New("not allowed")

func one(set func(*Config, string) error) func(*Config, []string) error {
	return func(c *Config, values []string) error {
		if len(values) != 1 {
			return errValue
		}
		return set(c, values[0])
	}
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errValue
}

func parseInt(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, errValue
	}
	return n, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Millisecond || d > time.Hour {
		return 0, errValue
	}
	return d, nil
}

// parseResume returns a negative time for none, for zero means the default.
func parseResume(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > time.Hour {
		return 0, errValue
	}
	if d == 0 {
		return -1, nil
	}
	return d, nil
}

func parseLevel(s string) (slog.Level, error) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.ToLower(level.String()) == s {
			return level, nil
		}
	}
	return 0, errValue
}

func parseFormat(s string) (string, error) {
	if s != "text" && s != "json" {
		return "", errValue
	}
	return s, nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return errValue
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errValue
	}
	return nil
}

// checkNode takes the address of a node, or none.
func checkNode(s string) error {
	if s == "" {
		return nil
	}
	return checkAddress(s)
}

// checkOrigins leaves it to those who compare origins to say what they look like.
func checkOrigins(origins []string) error {
	_, err := native.New(native.Config{Origins: origins})
	return err
}

func checkHosts(hosts []string) error {
	for _, host := range hosts {
		if host == "" || strings.ContainsAny(host, ":/*@") || strings.ContainsFunc(host, notInName) {
			return errValue
		}
	}
	return nil
}

func notInName(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// describe shows values in an error: quoted, and not too much of them.
func describe(values []string) string {
	const most = 80
	s := strings.Join(values, ",")
	if len(s) > most {
		s = s[:most] + "..."
	}
	return fmt.Sprintf("%+q", s)
}
