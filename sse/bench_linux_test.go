package sse_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

// One change on a stream of many topics, from Publish to the connection.
func BenchmarkChangeOnAStreamOfManyTopics(b *testing.B) {
	for _, topics := range []int{1, 50, 500, 5000} {
		b.Run(fmt.Sprint(topics), func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			hub := sse.NewHub(ctx, nil)
			all := make([]*sse.Topic, topics)
			for i := range all {
				all[i] = hub.Topic(fmt.Sprint(i), sse.TopicOptions{})
			}
			written := make(chan bool, 1)
			serveAll(b, hub, 0, &ssetest.Writer{OnWrite: tell(written)}, all...)
			<-written
			data := []byte(`{"level":12,"unit":"cm"}`)
			i := 0
			for b.Loop() {
				_ = all[i%topics].Publish(sse.Event{Data: data})
				<-written
				i++
			}
		})
	}
}

// One change of a topic that streams watch which rest, and one that does not: the processor's time, all goroutines
// together.
func BenchmarkChangeBesideRestingStreams(b *testing.B) {
	for _, resting := range []int{0, 1000} {
		b.Run(fmt.Sprint(resting), func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			hub := sse.NewHub(ctx, nil)
			topic, other := hub.Topic("a", sse.TopicOptions{}), hub.Topic("b", sse.TopicOptions{})
			var first sync.WaitGroup
			for range resting {
				first.Add(1)
				var once sync.Once
				serveAll(b, hub, time.Hour, &ssetest.Writer{OnWrite: func(p []byte) (int, error) {
					once.Do(first.Done)
					return len(p), nil
				}}, topic, other)
			}
			_ = topic.Publish(sse.Event{Data: []byte("x")})
			first.Wait()
			written := make(chan bool, 1)
			serveAll(b, hub, 0, &ssetest.Writer{OnWrite: tell(written)}, topic)
			<-written
			data := []byte(`{"level":12,"unit":"cm"}`)
			before, changes := processorTime(), 0
			for b.Loop() {
				_ = topic.Publish(sse.Event{Data: data})
				<-written
				changes++
			}
			b.ReportMetric(float64(processorTime()-before)/float64(changes), "cpu-ns/op")
		})
	}
}

// serveAll serves topics on a goroutine, which ends with the hub.
func serveAll(b *testing.B, hub *sse.Hub, pause time.Duration, w *ssetest.Writer, topics ...*sse.Topic) {
	go func() {
		if err := hub.With(sse.StreamOptions{Pause: pause}).ServeAll(w, httptest.NewRequest("GET", "/", nil), topics...); err != nil {
			b.Error(err)
		}
	}()
}

// tell returns a Write that tells of data, but for what the channel has no room for.
func tell(written chan bool) func([]byte) (int, error) {
	return func(p []byte) (int, error) {
		select {
		case written <- true:
		default:
		}
		return len(p), nil
	}
}

func processorTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
