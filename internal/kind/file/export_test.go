package file

import "github.com/tidewire/tidewire/internal/kind"

// Slow returns a fetcher of a file whose reads wait for again.
func Slow(s *Source, env kind.Env, again <-chan string) kind.Fetcher {
	return &fetcher{source: s, env: env, content: func(string) content { return content{data: []byte(<-again)} }}
}
