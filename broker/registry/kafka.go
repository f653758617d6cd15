package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/seed-15847954/ropewalk/broker/kafka"
	"github.com/seed-15847954/ropewalk/hub"
)

// errKafka is why a URL does not name a Kafka.
var errKafka = errors.New("not a URL of Kafka: kafka://[user:password@]host:port[,host:port...] with topic, partitions, state, tls, ca and sasl (plain, scram-sha-256 or scram-sha-512)")

// parseKafka takes such a URL.
func parseKafka(u *url.URL) (opener, error) {
	query := u.Query()
	take := func(key string) string {
		v := query.Get(key)
		query.Del(key)
		return v
	}
	config := kafka.Config{Topic: take("topic")}
	ca := take("ca")
	if err := errors.Join(
		number(take("partitions"), &config.Partitions),
		duration(take("state"), &config.StateTime),
		secure(take("tls"), ca, &config),
		authenticate(take("sasl"), u.User, &config),
	); err != nil {
		return nil, errKafka
	}
	if u.Host == "" || strings.Trim(u.Path, "/") != "" || len(query) > 0 {
		return nil, errKafka
	}
	config.Seeds = strings.Split(u.Host, ",")
	for _, seed := range config.Seeds {
		if host, port, err := net.SplitHostPort(seed); err != nil || host == "" || port == "" {
			return nil, errKafka
		}
	}
	return func(ctx context.Context, o Options) (hub.Broker, func(), error) {
		config.Log, config.MaxHistory = o.Log, o.MaxHistory
		if err := trust(ca, config.TLS); err != nil {
			return nil, nil, err
		}
		b, err := kafka.New(ctx, config)
		if err != nil {
			return nil, nil, err
		}
		return b, b.Close, nil
	}, nil
}

// trust has a configuration of TLS trust the certificates of a file, unless that is empty.
func trust(file string, config *tls.Config) error {
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("ca: %s holds no certificate", file)
	}
	return nil
}

func number(s string, to *int) (err error) {
	if s == "" {
		return nil
	}
	if *to, err = strconv.Atoi(s); err == nil && (*to < 1 || *to > 1000) {
		err = errKafka
	}
	return err
}

func duration(s string, to *time.Duration) (err error) {
	if s == "" {
		return nil
	}
	if *to, err = time.ParseDuration(s); err == nil && (*to < time.Hour || *to > 30*24*time.Hour) {
		err = errKafka
	}
	return err
}

func secure(s, ca string, config *kafka.Config) error {
	switch {
	case s == "true" || s == "" && ca != "":
		config.TLS = new(tls.Config)
	case s != "" && s != "false", ca != "":
		return errKafka
	}
	return nil
}

func authenticate(mechanism string, user *url.Userinfo, config *kafka.Config) error {
	if user == nil {
		if mechanism != "" {
			return errKafka
		}
		return nil
	}
	password, _ := user.Password()
	switch mechanism {
	case "", "plain":
		config.SASL = plain.Auth{User: user.Username(), Pass: password}.AsMechanism()
	case "scram-sha-256":
		config.SASL = scram.Auth{User: user.Username(), Pass: password}.AsSha256Mechanism()
	case "scram-sha-512":
		config.SASL = scram.Auth{User: user.Username(), Pass: password}.AsSha512Mechanism()
	default:
		return errKafka
	}
	return nil
}
