package grammar_test

import (
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
)

// A probe is what the section of the example says.
type probe struct {
	Host    string
	Retries int
	Timeout time.Duration
	TLS     struct{ Verify bool }
}

// keys declares the section: what each key means, what its value looks like and where it goes.
func (p *probe) keys(where string) grammar.Keys {
	return grammar.Keys{
		grammar.Line("host", "the machine to ask", &p.Host).Also("address server").Need("plc.example.com"),
		grammar.Integer("retries", "further attempts", &p.Retries, 0, 10).Default(3),
		grammar.Duration("timeout", "the bound of one attempt", &p.Timeout).Default("5s"),
		grammar.Section("tls", "how to connect", "tls of "+where, grammar.Keys{
			grammar.Boolean("verify", "whether its certificate is checked", &p.TLS.Verify).Default(true),
		}),
	}
}

// readProbe reads one. What follows from several keys is checked when all are read.
func readProbe(n *grammar.Node, where string) *probe {
	p := &probe{Retries: 3, Timeout: 5 * time.Second}
	n.Read(where, p.keys(where))
	if retries := n.Get("retries"); n.IsGood() && retries != nil && p.Retries == 0 && p.Timeout > time.Minute {
		retries.Problem("one attempt that waits so long", "write a shorter timeout, or retries: 1")
	}
	return p
}

func Example() {
	const text = `
host: plc.example.com
retries: 12
timout: 2s
tls: {verify: no}
`
	var p *probe
	r := grammar.Read("probe.yaml", []byte(text), grammar.Options{}, func(root *grammar.Node) { p = readProbe(root, "the probe") })
	for _, problem := range r.Problems(50) {
		fmt.Println(problem)
	}
	fmt.Println(p.Host, p.Timeout)
	// Output:
	// probe.yaml:3:10: retries is 12, write a whole number from 0 to 10
	// probe.yaml:4:1: unknown key "timout" in the probe, did you mean "timeout"?
	// probe.yaml:5:15: verify: "no" is neither true nor false, write true or false
	// plc.example.com 5s
}

func ExampleExplain() {
	text := "host: plc.example.com\ntls: {verify: false}\n"
	grammar.Read("probe.yaml", []byte(text), grammar.Options{}, func(root *grammar.Node) {
		p := &probe{}
		keys := p.keys("the probe")
		root.Read("the probe", keys)
		for _, s := range grammar.Explain("", keys, map[string]any{}, root) {
			fmt.Println(s.Key, s.Value, s.From)
		}
	})
	// Output:
	// host plc.example.com probe.yaml:1
	// retries 3 built in
	// timeout 5s built in
	// tls.verify false probe.yaml:2
}
