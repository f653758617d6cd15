package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/registry"
	"github.com/seed-15847954/ropewalk/hub"
)

// write puts a configuration into a file and returns its name.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rw.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLoad(t *testing.T) {
	options := hub.Options{
		History: 1000, HistoryTime: 10 * time.Minute, Dedup: 5 * time.Minute, Presence: true, Joins: true,
	}
	defaults := Config{
		Listen: "127.0.0.1:8000", Broker: registry.Memory, DrainTimeout: 10 * time.Second, MaxData: 64 << 10,
		MaxHistory: 256 << 20, ResumeTime: 10 * time.Second, Channels: &options,
	}
	with := func(change func(*Config)) Config {
		c := defaults
		change(&c)
		return c
	}
	for _, c := range []struct {
		name  string
		file  string
		env   []string
		flags map[string]string
		want  Config
	}{
		{"nothing", "", nil, nil, defaults},
		{"an empty file", "# only a comment\n", nil, nil, defaults},
		{"an empty document", "---\n", nil, nil, defaults},
		{
			"every key", `
listen: "[::1]:0"
dev: true
broker: redis://127.0.0.1:6379
insecure_public: false
origins:
  - https://a.example
  - "*.b.example:8443"
hosts: [chat.example]
drain_timeout: 1m30s
log:
  level: debug
  format: json
limits: {data: 1, queue: 2048, subscriptions: 3, history: 1048576}
resume_time: 0s
channels:
  history: 10
  history_time: 1h
  dedup: 0s
  presence: false
  joins: false
  slow: latest
  subscribers: 5
  data: 7
namespaces:
  - pattern: prices.**
    slow: conflate
    presence: true
  - {pattern: "chat.*", history: 0}
`, nil, nil,
			Config{
				Listen: "[::1]:0", Dev: true, Broker: "redis://127.0.0.1:6379", Origins: []string{"https://a.example", "*.b.example:8443"},
				Hosts: []string{"chat.example"}, DrainTimeout: 90 * time.Second, LogLevel: slog.LevelDebug, LogFormat: "json",
				MaxData: 1, MaxQueue: 2048, MaxSubscriptions: 3, MaxHistory: 1 << 20, ResumeTime: -1,
				Channels: &hub.Options{History: 10, HistoryTime: time.Hour, Slow: hub.Latest, MaxSubscribers: 5, MaxData: 7},
				Namespaces: []hub.Namespace{
					{Pattern: "prices.**", Options: hub.Options{
						History: 10, HistoryTime: time.Hour, Slow: hub.Conflate, MaxSubscribers: 5, MaxData: 7, Presence: true,
					}},
					{Pattern: "chat.*", Options: hub.Options{HistoryTime: time.Hour, Slow: hub.Latest, MaxSubscribers: 5, MaxData: 7}},
				},
			},
		},
		{"sections without keys", "limits:\nlog: {}\nnamespaces:\n", nil, nil, defaults},
		{"dotted keys", "limits.data: 9\n\"log.format\": text\n", nil, nil, with(func(c *Config) { c.MaxData, c.LogFormat = 9, "text" })},
		{"one value for a list", "hosts: a.example\n", nil, nil, with(func(c *Config) { c.Hosts = []string{"a.example"} })},
		{
			"an empty list over a full one", "hosts: [a.example]\norigins: [https://a.example]\n",
			[]string{"ROPEWALK_HOSTS="},
			map[string]string{"origins": ""},
			with(func(c *Config) { c.Hosts, c.Origins = []string{}, []string{} }),
		},
		{
			"every variable over the file", "listen: 127.0.0.1:1\ndev: false\nlog: {level: error, format: text}\n",
			[]string{
				"ROPEWALK_LISTEN=127.0.0.1:2", "ROPEWALK_DEV=true", "ROPEWALK_BROKER=rediss://u:p@redis.example", "ROPEWALK_INSECURE_PUBLIC=true", "ROPEWALK_ORIGINS=https://a.example,b.example",
				"ROPEWALK_HOSTS=a.example", "ROPEWALK_DRAIN_TIMEOUT=1h", "ROPEWALK_LOG_LEVEL=warn", "ROPEWALK_LOG_FORMAT=json",
				"ROPEWALK_LIMITS_DATA=16777216", "ROPEWALK_LIMITS_QUEUE=1073741824", "ROPEWALK_LIMITS_SUBSCRIPTIONS=1000000",
				"ROPEWALK_LIMITS_HISTORY=1099511627776", "ROPEWALK_RESUME_TIME=1h", "ROPEWALK_CHANNELS_HISTORY=0",
				"ROPEWALK_CHANNELS_HISTORY_TIME=720h", "ROPEWALK_CHANNELS_DEDUP=1ms", "ROPEWALK_CHANNELS_PRESENCE=true",
				"ROPEWALK_CHANNELS_JOINS=false", "ROPEWALK_CHANNELS_SLOW=drop_oldest", "ROPEWALK_CHANNELS_SUBSCRIBERS=0", "ROPEWALK_CHANNELS_DATA=0",
			},
			map[string]string{"dev": "false"},
			Config{
				Listen: "127.0.0.1:2", Broker: "rediss://u:p@redis.example", InsecurePublic: true, Origins: []string{"https://a.example", "b.example"},
				Hosts: []string{"a.example"}, DrainTimeout: time.Hour, LogLevel: slog.LevelWarn, LogFormat: "json",
				MaxData: 1 << 24, MaxQueue: 1 << 30, MaxSubscriptions: 1e6, MaxHistory: 1 << 40, ResumeTime: time.Hour,
				Channels: &hub.Options{HistoryTime: 720 * time.Hour, Dedup: time.Millisecond, Presence: true, Slow: hub.DropOldest},
			},
		},
		{
			"the environment over the file", "dev: true\nlimits:\n  data: 5\n  queue: 5000\n",
			[]string{"ROPEWALK_DEV=false", "ROPEWALK_LIMITS_DATA=6", "PATH=/bin"},
			nil,
			with(func(c *Config) { c.MaxData, c.MaxQueue = 6, 5000 }),
		},
		{
			"flags over both", "limits: {data: 5}\norigins: [a.example]\n",
			[]string{"ROPEWALK_LIMITS_DATA=6", "ROPEWALK_ORIGINS=b.example"},
			map[string]string{"limits.data": "7", "origins": "c.example,d.example"},
			with(func(c *Config) { c.MaxData, c.Origins = 7, []string{"c.example", "d.example"} }),
		},
		{
			"a public address that is wanted", "listen: 0.0.0.0:80\ninsecure_public: true\n", nil, nil,
			with(func(c *Config) { c.Listen, c.InsecurePublic = "0.0.0.0:80", true }),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := Sources{Env: c.env, Flags: c.flags}
			if c.file != "" {
				from.File = write(t, c.file)
			}
			got, warnings, err := Load(from)
			if err != nil || len(warnings) > 0 || !reflect.DeepEqual(got, c.want) {
				t.Errorf("Load = %+v, %q, %v, want %+v", got, warnings, err, c.want)
			}
		})
	}
}

// A mistake is one line: where it stands, what it is, what is allowed instead.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		file  string
		env   []string
		flags map[string]string
		want  string // FILE stands for the name of the file
	}{
		{file: "dev: true\ndrain_timeout: soon\n", want: `FILE:2: drain_timeout: "soon" is not allowed, want a duration from 1ms to 1h such as 10s`},
		{file: "listen: 8000\n", want: `FILE:1: listen: "8000" is not allowed, want host:port such as 127.0.0.1:8000`},
		{file: "listen: 127.0.0.1:99999\n", want: `FILE:1: listen: "127.0.0.1:99999" is not allowed, want host:port`},
		{file: "dev: yes\n", want: `FILE:1: dev: "yes" is not allowed, want true or false`},
		{file: "dev: [true, true]\n", want: `FILE:1: dev: "true,true" is not allowed, want true or false`},
		{file: "dev:\n", want: `FILE:1: dev: a value of the kind null, want a plain value`},
		{file: "limits:\n  data: 0\n", want: `FILE:2: limits.data: "0" is not allowed, want a whole number from 1 to 16777216`},
		{file: "limits:\n\n  queue: 1e9\n", want: `FILE:3: limits.queue: "1e9" is not allowed, want a whole number from 1024 to`},
		{file: "log: {level: loud}\n", want: `FILE:1: log.level: "loud" is not allowed, want debug, info, warn or error`},
		{file: "log: {format: xml}\n", want: `FILE:1: log.format: "xml" is not allowed, want text or json`},
		{file: "broker: reds://u:secret@host", want: `FILE:1: broker: not the name of a broker: the scheme is "reds", want memory, embedded, nats://`},
		{file: "hosts: [a.example:80]\n", want: `FILE:1: hosts: "a.example:80" is not allowed, want a list of host names without port`},
		{file: "origins:\n  - {a: b}\n", want: `FILE:2: origins: a value of the kind mapping`},
		{file: "listne: x\n", want: `FILE:1: "listne": unknown key, the keys are listen, dev, broker, cluster, cluster_listen, cluster_secret, advertise, data, no_sync, insecure_public, origins,`},
		{file: "dev: true\nlimits:\n  dato: 1\n", want: `FILE:3: "limits.dato": unknown key`},
		{file: "dev: {a: 1}\n", want: `FILE:1: dev: a value of the kind mapping, want a plain value`},
		{file: "- a\n", want: `FILE:1: a value of the kind sequence, want keys with values`},
		{file: "dev: true\ndev: false\n", want: `FILE:2: `},
		{file: "dev: [\n", want: `FILE:1: `},
		{file: "dev: true\n---\ndev: false\n", want: `FILE:3: more than one document`},
		{file: "dev: &a true\n", want: `FILE:1: dev: a value of the kind anchor, want a plain value`},
		{file: "dev: \"\\x1b[2J\"\n", want: `FILE:1: dev: "\x1b[2J" is not allowed`},
		{file: "dev: true # a comment\r\nhosts: a\r\nbad: 1\r\n", want: `FILE:3: "bad": unknown key`},
		{file: "limits:\n  data: 1\nlimits.data: 2\n", want: `FILE:3: limits.data: given twice`},
		{file: "limits: 5\n", want: `FILE:1: limits: a value of the kind integer, want keys with values`},
		{file: "other: {}\n", want: `FILE:1: "other": unknown key`},
		{file: "\"a\\nb\\e[2J\": [[1]]\n", want: `FILE:1: "a\nb\x1b[2J": unknown key`},
		{file: "<<: {dev: true}\n", want: `FILE:1: "<<": unknown key`},
		{file: "dev: !!str true\n", want: `FILE:1: dev: a value of the kind tag, want a plain value`},
		{file: "dev: *a\n", want: `FILE:1: dev: a value of the kind alias, want a plain value`},
		{file: "hosts:\n- a\n-\n", want: `FILE:3: hosts: a value of the kind null, want a plain value`},
		{file: "hosts: [\"a\\u0000\"]\n", want: `FILE:1: hosts: "a\x00" is not allowed`},
		{file: "\tdev: true\n", want: `FILE:1: `},
		{file: "dev: {a\n", want: `FILE:1: `},
		{file: "just text\n", want: `FILE:1: a value of the kind string, want keys with values`},
		{file: "dev: true\norigins: [https://a.example, https://]\n", want: `FILE:2: origins: "https://a.example,https://" is not allowed, want a list of [scheme://]host[:port]`},
		{file: "limits: {subscriptions: 1000001}\n", want: `FILE:1: limits.subscriptions: "1000001" is not allowed`},
		{file: "limits: {data: 99999999999999999999}\n", want: `FILE:1: limits.data: "99999999999999999999" is not allowed`},
		{file: "drain_timeout: 10\n", want: `FILE:1: drain_timeout: "10" is not allowed, want a duration from 1ms to 1h such as 10s`},
		{file: "drain_timeout: 61m\n", want: `FILE:1: drain_timeout: "61m" is not allowed`},
		{file: "listen: " + strings.Repeat("x", 500) + "\n", want: `FILE:1: listen: "` + strings.Repeat("x", 80) + `..." is not allowed`},
		{file: "channels: {slow: fast}\n", want: `FILE:1: channels.slow: "fast" is not allowed, want disconnect, drop_oldest, conflate, latest or catch_up`},
		{file: "channels:\n  history: 0\n  slow: catch_up\n", want: `FILE:3: channels.slow: "catch_up" is not allowed without history`},
		{file: "namespaces: 5\n", want: `FILE:1: namespaces: a value of the kind integer, want a sequence of keys with values`},
		{file: "namespaces:\n- pattern: a\n  histroy: 1\n", want: `FILE:3: namespaces: "histroy": unknown key, the keys are pattern, history, history_time,`},
		{file: "namespaces:\n- pattern: a\n  history: -1\n", want: `FILE:3: namespaces: history: "-1" is not allowed, want a whole number from 0 to 1000000`},
		{file: "namespaces:\n- pattern: a\n  history: [1]\n", want: `FILE:3: namespaces: "history": a value of the kind sequence, want a plain value`},
		{file: "namespaces:\n- pattern: a***\n", want: `FILE:2: namespaces: pattern: "a***" is not allowed: pattern has more than two stars in a row`},
		{file: "namespaces:\n- pattern: a\n- history: 5\n", want: `FILE:3: namespaces: no pattern`},
		{file: "namespaces:\n- pattern: a\n- b\n", want: `FILE:3: namespaces: a value of the kind string, want keys with values`},
		{file: "namespaces:\n- pattern: a\n  history: 0\n  slow: catch_up\n", want: `FILE:2: namespaces: slow: "catch_up" is not allowed without history`},
		{env: []string{"ROPEWALK_LISTEN="}, want: `ROPEWALK_LISTEN: listen: "" is not allowed, want host:port`},
		{file: "dev: 3\n", env: []string{"ROPEWALK_DEV=4"}, flags: map[string]string{"dev": "5"}, want: `--dev: dev: "5" is not allowed, want true or false`},
		{flags: map[string]string{"nope": "1"}, want: `flag of the unknown key "nope"`},
		{env: []string{"ROPEWALK_LIMITS_SUBSCRIPTIONS=-1"}, want: `ROPEWALK_LIMITS_SUBSCRIPTIONS: limits.subscriptions: "-1" is not allowed, want a whole number from 1 to 1000000`},
		{env: []string{"ROPEWALK_ORIGINS=a,,b"}, want: `ROPEWALK_ORIGINS: origins: "a,,b" is not allowed`},
		{flags: map[string]string{"drain_timeout": "-1s"}, want: `--drain-timeout: drain_timeout: "-1s" is not allowed`},
		{flags: map[string]string{"listen": "0.0.0.0:8000"}, want: `--listen: listen: "0.0.0.0:8000" is reachable from other machines, and this server does not ask clients who they are;`},
		{file: "listen: :8000\n", want: `FILE:1: listen: ":8000" is reachable from other machines`},
		{env: []string{"ROPEWALK_LISTEN=no.such.host.invalid:1"}, want: `ROPEWALK_LISTEN: listen: "no.such.host.invalid:1" is not an address to listen on`},
	} {
		from := Sources{Env: c.env, Flags: c.flags}
		if c.file != "" {
			from.File = write(t, c.file)
		}
		_, _, err := Load(from)
		if err == nil {
			t.Errorf("Load(%q, %q, %q) = nil, want %q", c.file, c.env, c.flags, c.want)
			continue
		}
		got := err.Error()
		if from.File != "" {
			got = strings.ReplaceAll(got, from.File, "FILE")
		}
		if !strings.HasPrefix(got, c.want) || strings.ContainsAny(got, "\n\x1b") {
			t.Errorf("Load(%q, %q, %q) = %q, want %q", c.file, c.env, c.flags, got, c.want)
		}
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Join(dir, "none.yaml"), dir, large} {
		if _, _, err := Load(Sources{File: name}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Load(%s) = %v, want an error with the name", name, err)
		}
	}
}

// A variable that is no setting is only warned of: platforms set some that are
// named after services.
func TestUnknownVariable(t *testing.T) {
	_, warnings, err := Load(Sources{Env: []string{"ROPEWALK_SERVICE_HOST=10.0.0.1", "ROPEWALK_\x1b=1"}})
	if err != nil || len(warnings) != 2 || strings.Contains(strings.Join(warnings, ""), "\x1b") {
		t.Errorf("Load = %q, %v, want two warnings", warnings, err)
	}
}

// Every setting has a distinct name everywhere and a default that is allowed.
func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		for _, name := range []string{s.Key, s.Env(), "--" + s.Flag()} {
			if seen[name] {
				t.Errorf("the name %s is used twice", name)
			}
			seen[name] = true
		}
		if s.Usage == "" || s.Allowed == "" {
			t.Errorf("%s has no usage or does not say what is allowed", s.Key)
		}
		var c Config
		if s.Default == "" && s.List {
			continue
		}
		if err := s.set(&c, []string{s.Default}); err != nil {
			t.Errorf("the default %q of %s is not allowed", s.Default, s.Key)
		}
	}
}
