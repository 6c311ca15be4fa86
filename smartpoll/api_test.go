package smartpoll_test

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Every symbol of joeycumines/go-smartpoll v0.2.1, with its type. WithTask alone
// has got variadic options, which leaves its calls as they are.
var (
	_ error = smartpoll.ErrPanicInTask

	_ func(...smartpoll.Option) (*smartpoll.Scheduler, error)             = smartpoll.New
	_ func(smartpoll.RunHook) smartpoll.Option                            = smartpoll.WithRunHook
	_ func(any, smartpoll.Task, ...smartpoll.TaskOption) smartpoll.Option = smartpoll.WithTask
	_ func(<-chan string, smartpoll.Hook[string]) smartpoll.Option        = smartpoll.WithHook[string]
	_ func(<-chan struct{}, smartpoll.Hook[struct{}]) smartpoll.Option    = smartpoll.WithHook[struct{}]
	_ func(*smartpoll.Scheduler, context.Context) error                   = (*smartpoll.Scheduler).Run
	_ func(*smartpoll.Internal, any) time.Time                            = (*smartpoll.Internal).Next
	_ func(*smartpoll.Internal, any) bool                                 = (*smartpoll.Internal).Running
	_ func(*smartpoll.Internal, any, time.Duration)                       = (*smartpoll.Internal).Schedule
	_ func(*smartpoll.Internal, any, time.Time)                           = (*smartpoll.Internal).ScheduleAt
	_ func(*smartpoll.Internal, any, time.Duration)                       = (*smartpoll.Internal).ScheduleSooner
	_ func(*smartpoll.Internal, any, time.Time)                           = (*smartpoll.Internal).ScheduleAtSooner
	_ func(*smartpoll.Internal, any) bool                                 = (*smartpoll.Internal).StopTimer
	_ func(context.Context) (smartpoll.TaskHook, error)                   = smartpoll.Task(nil)
	_ func(context.Context, *smartpoll.Internal) error                    = smartpoll.TaskHook(nil)
	_ func(context.Context, *smartpoll.Internal) error                    = smartpoll.RunHook(nil)
	_ func(context.Context, *smartpoll.Internal, int, bool) error         = smartpoll.Hook[int](nil)
	_                                                                     = smartpoll.WithTask("key", nil)
	_                                                                     = []smartpoll.Option{smartpoll.WithHook(make(chan error), nil)}
)

// The methods of Internal are those of Scheduler, too.
var (
	_ scheduler = (*smartpoll.Internal)(nil)
	_ scheduler = (*smartpoll.Scheduler)(nil)
)
