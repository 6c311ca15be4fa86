package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/config"
)

// compiled is the schema of the configuration, as an independent validator
// understands it, which has checked it against the schema of schemas.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("tidewire.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("tidewire.schema.json")
	if err != nil {
		t.Fatalf("the schema is not valid: %v", err)
	}
	if s.DraftVersion != 2020 {
		t.Fatalf("the schema is of draft %d, want 2020", s.DraftVersion)
	}
	return s
}

// validate asks the schema about a file, read as an editor does.
func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var tree any
	if err := yaml.Load([]byte(text), &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

// TestSchemaAcceptsWhatLoads: the file with every key, the examples of the
// documentation, and values that may be written in several ways.
func TestSchemaAcceptsWhatLoads(t *testing.T) {
	s := compiled(t)
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	good := []string{
		"{version: '1', upstreams: , sources: , jobs: }",
		"{version: '${env:V:-1}'}",
		"{version: 1, upstreams: {u: {http: '${env:U:-http://h}', bearer: 55555, headers: {X-Y: 5}, limit: '${env:L:-5/s}', burst: '${env:B:-5}'}, v: {http: 'HTTPS://${env:U:-h}/x'}}}",
		"{version: 1, sources: {s: {exec: ['${env:E:-a}', 5, true], every: '${env:D:-5s}', timeout: 1.5h30m, jitter: '0', backoff: {}, parse: '${env:P:-json}', stale_after: '2 poll${env:S:-s}', title: 5}}}",
		"{version: 1, sources: {s: {exec: [a], jitter: 0, stale_after: 2 polls, pick: {a: 1, b: .b}, show: {value: a, min: '${env:N:-1}', max: 1e3, decimals: '${env:N:-1}', unit: 5}}, t: {from: [s], combine: 5}}}",
		"{version: 1, sources: {s: {exec: [a], every: {unwatched: never, when: [{if: true, every: '${env:W:-5s}'}]}, deadband: '${env:D:-1}', alert: {for: 0, notify: n}}, t: {exec: [a], pick: {a: .}, deadband: {a: 1}, alert: {if: .a > 1, notify: [n]}}}, notify: {n: {http: 'http://${env:H:-h}'}}}",
		"{version: 1, upstreams: {u: {http: 'http://h', limit: 5/d}}, jobs: {j: {http: {upstream: u, method: GET, query: {a: 1}, follow: operation-location}, limit: '${env:L:-4/h}', group: g, roles: admin, on_busy: reject}}}",
		"{version: 1, sources: {s: {exec: [a]}}, jobs: {j: {exec: [a, '--x={x}'], args: {x: {allow_dash: '${env:B:-true}', secret: true}}, env: {A: 1}, on_busy: queue, queue: 5, roles: [admin], then: {refresh: s}, keep: {runs: 5}}, k: {exec: [a], at: {cron: '0 3 * * *', zone: UTC}}, l: {exec: [a], at: '@daily'}}}",
		"{version: 1, public_url: 'http://${env:P:-h}', store: '${env:S:-memory}', jobs: {j: {exec: [a]}}, access: {tokens: {t: {sha256: '${env:T:-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}', role: admin, jobs: j}}, oidc: {issuer: 'http://localhost:5556/x', client_id: 5, groups: {a b: viewer}}, proxy: {trust: '::1'}}}",
		"{version: 1, store: {nats: 'nats://h:4222,i'}}", "{version: 1, store: {nats: {url: '${env:U:-h}', replicas: '${env:R:-3}', prefix: p-1, name: '${env:N:-a}'}}}", "{version: 1, store: {nats: {url: h, prefix: 5, name: 5}}}", "{version: 1, store: {dir: .}}",
		"{version: 1, socket: {mode: 0600}, sources: {s: {exec: [a], tty: 'true', alert: {for: '0'}}}, jobs: {j: {exec: [a, '{x}'], group: 5, args: {x: {type: int, secret: false, allow_dash: 'false'}}}}}",
		"{version: 1, jobs: {j: {exec: [a, '{x}{y}'], args: {x: , y: {type: int, default: 5}}, timeout: 1m, title: true}}}",
	}
	for _, block := range regexp.MustCompile("(?s)\n```yaml\n(.*?)```\n").FindAllStringSubmatch(read("../docs/configuration.md"), -1) {
		good = append(good, block[1])
	}
	if len(good) < 12 {
		t.Fatalf("%d files, want at least 12", len(good))
	}
	good = append(good, read("../internal/config/testdata/every-key.yaml"))
	for _, text := range good {
		if _, problems := config.Load("../internal/config/testdata/good.yaml", []byte(text)); problems != nil {
			t.Errorf("%v\nin %s", problems, text)
		}
		if err := validate(t, s, text); err != nil {
			t.Errorf("%v\nfor\n%s", err, text)
		}
	}
}

// TestSchemaRejects has one mistake a file. The bad files of the loader's tests
// are rejected too, those whose mistakes a schema can see.
func TestSchemaRejects(t *testing.T) {
	s := compiled(t)
	bad := []string{
		"{}", "[]", "version: 2", "{version: 1, listn: x}", "{version: 1, access: }", "{version: 1, access: {anonymous: admin}}", "{version: 1, access: {tokens: {t: {role: admin}}}}", "{version: 1, access: {tokens: {t: {role: root, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}}}}",
		"{version: 1, access: {oidc: {issuer: 'https://h', client_id: t, groups: {}}}}", "{version: 1, access: {proxy: {role: none}}}", "{version: 1, tls: {cert: c}}", "{version: 1, public_url: h}", "{version: 1, store: {dirr: d}}", "{version: 1, store: {}}", "{version: 1, store: {keep: 1h}}", "{version: 1, store: {dir: d, nats: h}}", "{version: 1, store: {nats: h, keep: 1h}}", "{version: 1, store: {nats: h, max_size: 1GB}}", "{version: 1, store: {nats: {}}}", "{version: 1, store: {nats: {url: h, prefix: a.b}}}", "{version: 1, store: {nats: {url: h, replicas: 2}}}", "{version: 1, store: {dir: d, keep: soon}}",
		"{version: 1, sources: []}", "{version: 1, sources: {Upper: {exec: [a]}}}",
		"{version: 1, sources: {s: {}}}", "{version: 1, sources: {s: {exec: [a], from: [b]}}}", "{version: 1, sources: {s: {exec: a}}}", "{version: 1, sources: {s: {exec: []}}}",
		"{version: 1, sources: {s: {exec: [a], evry: 5s}}}", "{version: 1, sources: {s: {exec: [a], every: 5}}}", "{version: 1, sources: {s: {exec: [a], every: soon}}}",
		"{version: 1, sources: {s: {exec: [a], jitter: 10}}}", "{version: 1, sources: {s: {exec: [a], parse: toml}}}", "{version: 1, sources: {s: {exec: [a], pick: [a]}}}",
		"{version: 1, sources: {s: {exec: [a], show: {decimals: 11}}}}", "{version: 1, sources: {s: {exec: [a], show: {min: low}}}}", "{version: 1, sources: {s: {exec: [a], title: ''}}}",
		"{version: 1, sources: {s: {http: {path: /x}}}}", "{version: 1, upstreams: {u: {}}}", "{version: 1, upstreams: {u: {http: 'ftp://h'}}}", "{version: 1, upstreams: {u: {http: 'http://h', limit: 5}}}",
		"{version: 1, upstreams: {u: {http: 'http://h', headers: {'A B': c}}}}", "{version: 1, upstreams: {u: {http: 'http://h', burst: 0.5}}}",
		"{version: 1, jobs: {j: {}}}", "{version: 1, jobs: {j: {exec: [a], on_busy: wait}}}", "{version: 1, jobs: {j: {exec: [a], http: {upstream: u}}}}", "{version: 1, jobs: {j: {http: {path: /x}}}}",
		"{version: 1, jobs: {j: {exec: [a], queue: 0}}}", "{version: 1, jobs: {j: {exec: [a], limit: 5}}}", "{version: 1, jobs: {j: {exec: [a], group: A}}}", "{version: 1, jobs: {j: {exec: [a], at: {zone: UTC}}}}",
		"{version: 1, jobs: {j: {exec: [a], roles: viewer}}}", "{version: 1, jobs: {j: {exec: [a], then: {}}}}", "{version: 1, jobs: {j: {exec: [a], env: {A-B: a}}}}", "{version: 1, jobs: {j: {exec: [a], keep: 5}}}", "{version: 1, jobs: {j: {exec: [a], args: {x: {type: strng}}}}}", "{version: 1, jobs: {j: }}",
		"{version: 1, sources: {s: {exec: [a], every: {normal: never}}}}", "{version: 1, sources: {s: {exec: [a], every: {when: []}}}}", "{version: 1, sources: {s: {exec: [a], every: {when: [{if: .a}]}}}}",
		"{version: 1, sources: {s: {exec: [a], deadband: 0}}}", "{version: 1, sources: {s: {exec: [a], deadband: {a: -1}}}}", "{version: 1, sources: {s: {exec: [a], alert: {iff: .a}}}}",
		"{version: 1, notify: {n: {}}}", "{version: 1, notify: {n: {http: {method: GET, url: 'http://h'}}}}", "{version: 1, notify: {n: {http: h}}}",
		"{version: 1, defaults: {stale_after: 3}}", "{version: 1, defaults: {backoff: {mim: 1s}}}", "{version: 1, include: [a]}",
		"{version: 1, access: {}}", "{version: 1, listen: localhost}", "{version: 1, listen: 8480}", "{version: 1, socket: {mode: rw}}", "{version: 1, access: {oidc: {issuer: 'http://id.example.com', client_id: t, groups: {a: viewer}}}}",
		"{version: 1, defaults: {jitter: 110%}}", "{version: 1, defaults: {jitter: -5%}}", "{version: 1, defaults: {jitter: 100%}}", "{version: 1, defaults: {every: 0s}}", "{version: 1, defaults: {timeout: -5s}}", "{version: 1, defaults: {timeout: 0h0m0.0s}}",
		"{version: 1, defaults: {timeout: 5 s}}", "{version: 1, defaults: {stale_after: 1 polls}}", "{version: 1, defaults: {stale_after: 101 polls}}", "{version: 1, defaults: {backoff: {min: 0s}}}", "{version: 1, defaults: {every: {unwatched: 0s}}}",
		"{version: 1, sources: {s: {exec: [a], alert: {}}}}", "{version: 1, sources: {s: {exec: [a], alert: {for: 1}}}}", "{version: 1, sources: {s: {exec: [a], alert: {clear: .a}}}}", "{version: 1, notify: {n: {http: 'http://h'}}, sources: {s: {exec: [a], alert: {notify: [n, n]}}}}",
		"{version: 1, sources: {s: {exec: ['']}}}", "{version: 1, sources: {s: {exec: [a], combine: .a}}}", "{version: 1, sources: {s: {exec: [a], needs: any}}}", "{version: 1, sources: {a: {exec: [a]}, s: {from: [a], every: 5s}}}", "{version: 1, sources: {a: {exec: [a]}, s: {from: [a], tty: true}}}",
		"{version: 1, sources: {s: {exec: [a], ok_codes: [1, 1]}}}", "{version: 1, upstreams: {u: {http: 'http://h', burst: 5}}}", "{version: 1, upstreams: {u: {http: 'http://h', limit: 0/s}}}", "{version: 1, upstreams: {u: {http: 'http:///x'}}}",
		"{version: 1, upstreams: {u: {http: 'http://h'}}, sources: {s: {http: {upstream: u, path: '/x?y=1'}}}}", "{version: 1, upstreams: {u: {http: 'http://h'}}, jobs: {j: {http: {upstream: u}, stdin: x}}}",
		"{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {type: enum}}}}}", "{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {type: path}}}}}", "{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {type: int, values: [a]}}}}}",
		"{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {min: 1}}}}}", "{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {type: bool, secret: true}}}}}", "{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {type: enum, values: [a, a]}}}}}",
		"{version: 1, jobs: {j: {exec: [a], limit: 10001/d}}}", "{version: 1, jobs: {j: {exec: [a], env: {5A: a}}}}", "{version: 1, jobs: {j: {exec: [a], keep: {for: 0s}}}}",
	}
	for _, text := range bad {
		if err := validate(t, s, text); err == nil {
			t.Errorf("%s is accepted", text)
		}
		if c, _ := config.Load("bad.yaml", []byte(text)); c != nil {
			t.Errorf("%s loads", text)
		}
	}
	files, err := filepath.Glob("../internal/config/testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name {
		case "keys", "features", "expressions", "expand", "nothing", "references", "closed", "templates", "computed", "for": // duplicates, aliases, jq, the environment, other values
			continue
		}
		if err := validate(t, s, strings.ReplaceAll(string(data), ".inf", "x")); err == nil {
			t.Errorf("%s is accepted", file)
		}
	}
}

// substitutes are values that may stand, rightly or not, where another does.
var substitutes = []any{
	nil, true, "true", "false", 0, "0", "5", 0.5, -1, 660, "", "x", "Upper", "none", "never", "admin", "GET",
	"0s", "-5s", "+5s", ".5s", "1.s", "0h0.001s", "1h0s", "3 polls", "02 polls", "1 poll", "101 polls", "0%", "-0%", "+9.5%", "1e1%", "110%",
	"0/s", "05/s", "10001/d", "HTTPS://h/x", "http:///x", "unix:/x", ":080", "/x?y", "0660", "${env:NONE_SUCH:-5}", "${env:NONE_SUCH:-false}",
	[]any{}, []any{"x"}, []any{5, 5}, []any{"disk", "disk"}, map[string]any{}, map[string]any{"x": "y"}, map[string]any{"temp": 1},
}

// smallFiles are files that together have all that a file has: each one has one entry of a mapping of names, or one other key,
// beside stubs of what these may name.
func smallFiles(file map[string]any) (files []map[string]any, parts []string) {
	stubs := func(of string, but string) map[string]any {
		all := map[string]any{}
		for name, v := range file[of].(map[string]any) {
			if of == "sources" || of == "jobs" {
				v = map[string]any{"exec": []any{"a"}}
			}
			if name != but {
				all[name] = v
			}
		}
		return all
	}
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if !slices.Contains([]string{"sources", "jobs", "upstreams", "notify"}, name) {
			files = append(files, map[string]any{"version": 1, "jobs": stubs("jobs", ""), name: file[name]})
			parts = append(parts, name)
			continue
		}
		for _, entry := range slices.Sorted(maps.Keys(file[name].(map[string]any))) {
			small := map[string]any{"version": 1, "notify": stubs("notify", ""), "upstreams": stubs("upstreams", ""), "sources": stubs("sources", "")}
			small[name] = stubs(name, entry)
			small[name].(map[string]any)[entry] = file[name].(map[string]any)[entry]
			files, parts = append(files, small), append(parts, name+"."+entry)
		}
	}
	return files, parts
}

// TestSchemaRefusesNothingThatLoads: wherever another value stands in a file that has every key, or a key is left out, the
// schema refuses the file only if Load does.
func TestSchemaRefusesNothingThatLoads(t *testing.T) {
	s := compiled(t)
	data, err := os.ReadFile("../internal/config/testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Load(data, &file); err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(file); err != nil || json.Unmarshal(data, &file) != nil {
		t.Fatal(err)
	}
	asked, refused, walked := 0, 0, map[string]bool{}
	files, parts := smallFiles(file)
	for i, small := range files {
		ask := func(where string) {
			asked++
			text, err := json.Marshal(small) // which is YAML, too
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			wrong := s.Validate(value)
			if wrong == nil {
				return
			}
			refused++
			if c, _ := config.Load("../internal/config/testdata/good.yaml", text); c != nil {
				t.Errorf("%s loads, but the schema refuses it: %v", where, wrong)
			}
		}
		top, entry, named := strings.Cut(parts[i], ".")
		var walk func(where string, v any, set func(any))
		walk = func(where string, v any, set func(any)) {
			place := top + strings.TrimPrefix(where, parts[i])
			if walked[place] && where != parts[i] { // in another entry, as it is here
				set(v)
				return
			}
			walked[place] = true
			scalars := reflect.ValueOf(v).Kind() != reflect.Map && reflect.ValueOf(v).Kind() != reflect.Slice
			for _, other := range substitutes {
				if _, text := other.(string); text && other != "x" && !scalars {
					continue
				}
				set(other)
				ask(fmt.Sprintf("%s: %#v", where, other))
			}
			set(v)
			switch v := v.(type) {
			case []any:
				walk(where+"[0]", v[0], func(to any) { v[0] = to })
			case map[string]any:
				for _, name := range slices.Sorted(maps.Keys(v)) {
					e := v[name]
					delete(v, name)
					ask(where + " without " + name)
					walk(where+"."+name, e, func(to any) { v[name] = to })
				}
			}
		}
		before := refused
		if ask(parts[i]); refused > before {
			t.Errorf("the schema refuses %s as it is", parts[i])
			continue
		}
		if !named {
			walk(top, small[top], func(to any) { small[top] = to })
			continue
		}
		of := small[top].(map[string]any)
		walk(parts[i], of[entry], func(to any) { of[entry] = to })
	}
	if asked < 4_000 || refused < asked/3 {
		t.Errorf("%d files, of which the schema refuses %d: want more", asked, refused)
	}
}
