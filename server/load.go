package server

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
)

// Sources are where a configuration comes from. A later one has precedence:
// File, then Env, then Flags.
type Sources struct {
	// File is the name of a YAML file. Empty means none.
	File string

	// Env holds NAME=value, as os.Environ has it. Names that do not begin with
	// ROPEWALK_ are not looked at.
	Env []string

	// Flags holds the flags that were given, by the key of their setting.
	Flags map[string]string
}

// Load reads a configuration and checks it. An error is one line that says where
// the value stands, what it is and what is allowed instead.
//
// A key that does not exist is an error. An environment variable that begins with
// ROPEWALK_ and is no setting is only returned among the warnings, for some
// platforms set variables named after services.
func Load(from Sources) (config Config, warnings []string, err error) {
	l := loader{values: koanf.New("."), origins: make(map[string]string)}
	if from.File != "" {
		if err := l.file(from.File); err != nil {
			return Config{}, nil, err
		}
	}
	if err := l.env(from.Env); err != nil {
		return Config{}, nil, err
	}
	if err := l.flags(from.Flags); err != nil {
		return Config{}, nil, err
	}
	if config, err = l.config(); err != nil {
		return Config{}, nil, err
	}
	return config, l.warnings, nil
}

// A loader merges the sources and remembers where each value comes from.
type loader struct {
	values     *koanf.Koanf
	origins    map[string]string // by key: "file.yaml:3", "ROPEWALK_DEV", "--dev"
	namespaces []namespace       // of the file
	warnings   []string
}

// An entry is one value of one source.
type entry struct {
	key    string
	values []string
	origin string
}

// layer is a koanf.Provider of values that were read already.
type layer map[string]any

func (l layer) Read() (map[string]any, error) { return l, nil }

func (l layer) ReadBytes() ([]byte, error) {
	return nil, fmt.Errorf("a layer has no bytes")
}

// add puts the entries of one source over those of the sources before.
func (l *loader) add(entries []entry) error {
	top := koanf.New(".")
	for _, e := range entries {
		if err := top.Set(e.key, e.values); err != nil {
			return fmt.Errorf("%s: %w", e.origin, err)
		}
		l.origins[e.key] = e.origin
	}
	return l.values.Load(layer(top.Raw()), nil)
}

func (l *loader) file(name string) error {
	b, err := readFile(name)
	if err != nil {
		return err
	}
	entries, namespaces, err := parseYAML(name, b)
	if err != nil {
		return err
	}
	l.namespaces = namespaces
	return l.add(entries)
}

func (l *loader) env(environ []string) error {
	var entries []entry
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		i := slices.IndexFunc(Settings(), func(s Setting) bool { return s.Env() == name })
		if i < 0 {
			l.warnings = append(l.warnings, fmt.Sprintf("environment variable %+q is no setting", name))
			continue
		}
		s := Settings()[i]
		entries = append(entries, entry{s.Key, s.split(value), name})
	}
	return l.add(entries)
}

func (l *loader) flags(flags map[string]string) error {
	var entries []entry
	for key, value := range flags {
		s, ok := setting(key)
		if !ok {
			return fmt.Errorf("flag of the unknown key %q", key)
		}
		entries = append(entries, entry{key, s.split(value), "--" + s.Flag()})
	}
	return l.add(entries)
}

// split gives a value that is not from a file its form.
func (s Setting) split(value string) []string {
	if !s.List {
		return []string{value}
	}
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}

// config turns the merged values into a Config.
func (l *loader) config() (Config, error) {
	var c Config
	for _, s := range Settings() {
		if !l.values.Exists(s.Key) {
			continue
		}
		values := l.values.Strings(s.Key)
		if err := s.set(&c, values); err != nil {
			if s.Secret {
				return Config{}, fmt.Errorf("%s: %s: %w, want %s", l.origins[s.Key], s.Key, err, s.Allowed)
			}
			return Config{}, fmt.Errorf("%s: %s: %s is not allowed, want %s", l.origins[s.Key], s.Key, describe(values), s.Allowed)
		}
	}
	c = c.withDefaults()
	if err := checkOptions(*c.Channels); err != nil {
		return Config{}, fmt.Errorf("%s: channels.%w", l.origins["channels.slow"], err)
	}
	var err error
	if c.Namespaces, err = resolve(l.namespaces, *c.Channels); err != nil {
		return Config{}, err
	}
	if err := c.checkListen(); err != nil {
		origin := l.origins["listen"]
		if origin == "" {
			origin = "default"
		}
		return Config{}, fmt.Errorf("%s: listen: %w", origin, err)
	}
	return c, nil
}

func setting(key string) (Setting, bool) {
	for _, s := range Settings() {
		if s.Key == key {
			return s, true
		}
	}
	return Setting{}, false
}

func keys() string {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Key)
	}
	names = append(names, "namespaces")
	return strings.Join(names, ", ")
}

// maxFile bounds the configuration file.
const maxFile = 1 << 20

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("configuration: %s is not a file of at most %d bytes", name, maxFile)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return b, nil
}
