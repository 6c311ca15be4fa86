package snapshot_test

import (
	"context"
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
