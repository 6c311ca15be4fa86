package smartpoll_test

import (
	"context"
	"fmt"

	"github.com/tidewire/tidewire/smartpoll"
)

// A standby polls nothing until it is elected, and then not the plant, which is under maintenance until a probe finds it
// working. The tank runs once both pauses are lifted.
func ExampleGroup_Pause() {
	ctx, cancel := context.WithCancel(context.Background())
	plant := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
	probe := func(context.Context) (smartpoll.TaskHook, error) {
		return func(context.Context, *smartpoll.Internal) error {
			fmt.Println("the plant works")
			plant.Resume("maintenance")
			return nil
		}, nil
	}
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", say("polled tank", cancel), smartpoll.In(plant)),
		smartpoll.WithTask("probe", probe))
	if err != nil {
		fmt.Println(err)
		return
	}
	plant.Pause("maintenance")
	scheduler.PauseAll("standby")
	scheduler.Schedule("tank", 0)
	scheduler.Schedule("probe", 0)
	done := make(chan error)
	go func() { done <- scheduler.Run(ctx) }()

	info, _ := scheduler.Info("tank")
	for _, pause := range info.Pauses {
		fmt.Printf("%s of all: %v, of the plant: %v\n", pause.Reason, pause.All, pause.Group == plant)
	}
	scheduler.ResumeAll("standby")
	fmt.Println(<-done)
	// Output:
	// maintenance of all: false, of the plant: true
	// standby of all: true, of the plant: false
	// the plant works
	// polled tank
	// context canceled
}
