// Command smartpoll polls a clock, faster while its second hand is near the top.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	polls := 0 // touched by commits only: no lock
	fetch := func(context.Context) (time.Time, error) { return time.Now(), nil }
	commit := func(_ context.Context, loop *smartpoll.Internal, t time.Time, err error) error {
		polls++
		fmt.Println(polls, t.Format(time.TimeOnly), err)
		loop.Schedule("clock", time.Duration(1+t.Second()%3)*time.Second/4)
		return nil
	}
	loop, err := smartpoll.New(
		smartpoll.WithTask("clock", smartpoll.Poll(fetch, commit), smartpoll.Retry(smartpoll.Backoff{})),
		smartpoll.WithRunHook(func(_ context.Context, loop *smartpoll.Internal) error {
			loop.Schedule("clock", 0)
			return nil
		}))
	if err != nil {
		panic(err)
	}
	fmt.Println(loop.Run(ctx))
}
