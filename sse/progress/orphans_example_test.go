package progress_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse/progress"
)

// A process dies in the middle of an import. The next one on the same store ends the run, for all who ask for it.
func ExampleOptions_lost() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := snapshot.NewMemory() // in a program, one that outlives the process

	first := snapshottest.NewProcess(store)
	before, _ := progress.Open(ctx, first, nil)
	job, _ := before.Start("import")
	job.Publish("half of the files")
	first.Kill()

	tracker, _ := progress.Open(ctx, store, &progress.Options{
		Lost: func(topic string, last progress.Snapshot) (any, time.Duration) {
			return fmt.Sprintf("%s was lost after %s", topic, last.Data), 24 * time.Hour
		},
	})
	for s, err := range tracker.Watch(ctx, "import") {
		if s.Final {
			fmt.Println(s.Run == job.ID(), string(s.Data), err)
		}
	}
	_, isNew := tracker.Start("import")
	fmt.Println("the next one has begun:", isNew)
	// Output:
	// true "import was lost after \"half of the files\"" <nil>
	// the next one has begun: true
}
