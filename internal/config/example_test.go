package config_test

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/config"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

func ExampleLoad() {
	c, problems := config.Load("tidewire.yaml", []byte(`
version: 1
defaults: {timeout: 2s, jitter: 5%}

upstreams:
  coast: {http: "http://127.0.0.1:9001", limit: 18/m, burst: 2}
  plant: {http: "http://127.0.0.1:9002/api"}

sources:
  forecast:
    from: [coast, tank]
    combine: |
      {temp: .coast.value.temp,
       level: .tank.value.level}
    show: {value: temp, unit: °C, min: 0, max: 30, decimals: 1}
  tank:
    title: Tank T-101
    http: {upstream: plant, path: /tank}
    every: 1s
    pick: {level: .level, pump: .pump.running}
    show: {value: level, unit: "%", min: 0, max: 100}
  coast:
    http: {upstream: coast, path: /observations}
    every: 3500ms
    pick:
      temp: '.observations[] | select(.kind == "temperature").value | (. - 32) * 5 / 9'

jobs:
  discover:
    title: Discover devices
    exec: [/usr/bin/tidewire, scan, --subnet, "{subnet}"]
    args: {subnet: {type: cidr, title: Subnet, default: 127.42.0.0/26}}
    progress: '(?P<percent>\d+)% (?P<message>.*)'
    timeout: 2m
`))
	if problems != nil {
		fmt.Println(problems)
		return
	}
	for _, s := range c.Sources {
		if request, ok := s.Spec.(*httpkind.Source); ok {
			fmt.Printf("%s: %s every %v, stale after %v\n", s.Title, request.Fixed.URL, s.Every, s.StaleAfter)
		} else {
			fmt.Printf("%s: %s\n", s.Title, s.Spec.Describe())
		}
	}
	for _, j := range c.Jobs {
		values, errs := j.Bind(map[string]any{"subnet": "127.42.0.7/28"})
		fmt.Println(j.Title+":", j.Argv(values), errs)
	}
	// Output:
	// forecast: computed from coast, tank
	// Tank T-101: http://127.0.0.1:9002/api/tank every 1s, stale after 3.15s
	// coast: http://127.0.0.1:9001/observations every 3.5s, stale after 11.025s
	// Discover devices: [/usr/bin/tidewire scan --subnet 127.42.0.0/28] []
}

func ExampleProblems() {
	_, problems := config.Load("tidewire.yaml", []byte(`version: 1
sources:
  tank:
    exec: [cat, /tmp/tank]
    evry: 5s
    timeout: 5
  site: {from: [tnak], combine: '.tank | lenght'}
`))
	fmt.Println(problems)
	// Output:
	// tidewire.yaml:5:5: unknown key "evry" in source "tank", did you mean "every"?
	// tidewire.yaml:6:14: timeout: "5" has no unit, write a duration with a unit such as 30s
	// tidewire.yaml:7:17: unknown source "tnak", did you mean "tank"?
	// tidewire.yaml:7:42: combine is not valid jq: unknown function `lenght/0`, write an expression such as .main.temp
}
