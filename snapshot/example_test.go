package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// One writer a topic: whoever comes second joins the run that is there.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	store := snapshot.NewMemory()

	synced, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		store.Follow(ctx, func(e snapshot.Entry) { fmt.Printf("%s %d %q\n", e.State, e.N, e.Data) }, func() { close(synced) })
	}()
	<-synced

	claim, _, _ := store.Claim(ctx, "job/scan", snapshot.ClaimOptions{})
	claim.Put([]byte(`50%`))

	second, entry, _ := store.Claim(ctx, "job/scan", snapshot.ClaimOptions{})
	fmt.Println("second claim:", second != nil, "joins the same run:", entry.Run == claim.Run())

	claim.Finish(ctx, []byte(`100%`), 30*time.Second)
	cancel()
	<-stopped
	// Output:
	// live 0 ""
	// live 1 "50%"
	// second claim: false joins the same run: true
	// final 2 "100%"
}

// A process gives a run up, and another one goes on with it. The first one cannot write it any more.
func ExampleClaim_release() {
	ctx := context.Background()
	store := snapshot.NewMemory()
	mine, _, _ := store.Claim(ctx, "import", snapshot.ClaimOptions{})
	mine.Put([]byte("half"))
	mine.Release(ctx)

	_, entry, _ := store.Claim(ctx, "import", snapshot.ClaimOptions{})
	fmt.Println(entry.State, entry.N, string(entry.Data))

	theirs, _, _ := store.Claim(ctx, "import", snapshot.ClaimOptions{Adopt: entry.Run})
	theirs.Put([]byte("whole"))
	fmt.Println(errors.Is(mine.Finish(ctx, nil, 0), snapshot.ErrLost))

	_, entry, _ = store.Claim(ctx, "import", snapshot.ClaimOptions{})
	fmt.Println(entry.State, entry.N, string(entry.Data))
	// Output:
	// orphan 1 half
	// true
	// live 2 whole
}
