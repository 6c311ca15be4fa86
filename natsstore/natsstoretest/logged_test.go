package natsstoretest_test

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// logged is the log of a process, which can be read while it is written.
type logged struct {
	mu  sync.Mutex // guards the field below
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

var message = regexp.MustCompile(` msg=("(?:[^"\\]|\\.)*"|\S+)`)

// messages returns how often each message is in a part of a log.
func messages(log string) map[string]int {
	all := map[string]int{}
	for line := range strings.Lines(log) {
		if m := message.FindStringSubmatch(line); m != nil {
			all[strings.Trim(m[1], `"`)]++
		}
	}
	return all
}
