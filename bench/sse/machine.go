//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// cpuTime is the processor time that this process has had, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic("getrusage: " + err.Error())
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// tick is the unit of the times in /proc.
const tick = 10 * time.Millisecond

// cpuOf is the processor time of a process, to within a tick; its children do not count.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest) // from the third on
	utime, _ := strconv.Atoi(fields[11])
	stime, _ := strconv.Atoi(fields[12])
	return time.Duration(utime+stime) * tick
}

// busyTime is the processor time of the whole machine, and of what the hypervisor took from it.
func busyTime() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	var busy int
	for i, field := range strings.Fields(line)[1:] {
		if i != 3 && i != 4 && i < 8 { // idle and iowait; what guests take is in user
			n, _ := strconv.Atoi(field)
			busy += n
		}
	}
	return time.Duration(busy) * tick
}

// others tells what other processes take of the machine.
type others struct {
	pids  []int
	since time.Time
	busy  time.Duration
	own   time.Duration
}

// watchOthers begins to watch all processes but this and pids.
func watchOthers(pids ...int) *others {
	o := &others{pids: pids, since: time.Now(), busy: busyTime()}
	o.own = o.ownTime()
	return o
}

func (o *others) ownTime() time.Duration {
	own := cpuTime()
	for _, pid := range o.pids {
		own += cpuOf(pid)
	}
	return own
}

// cores returns how many cores the others have taken since watchOthers.
func (o *others) cores() float64 {
	return max(0, float64(busyTime()-o.busy-(o.ownTime()-o.own))/float64(time.Since(o.since)))
}

// waitForQuiet waits until other processes take less than 0.15 cores, and no longer than patience.
func waitForQuiet(patience time.Duration, pids ...int) {
	for began := time.Now(); time.Since(began) < patience; {
		o := watchOthers(pids...)
		time.Sleep(300 * time.Millisecond)
		if o.cores() < 0.15 {
			return
		}
	}
}

// memory is what this process holds, in bytes.
type memory struct{ rss, heap, stack, goroutines float64 }

// settledMemory returns the memory after two collections, with free memory returned to the system.
func settledMemory() memory {
	for range 2 {
		runtime.GC()
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{residentSet(), float64(m.HeapAlloc), float64(m.StackInuse), float64(runtime.NumGoroutine())}
}

// minus returns the difference, divided by n.
func (m memory) minus(before memory, n int) memory {
	per := 1 / float64(n)
	return memory{
		(m.rss - before.rss) * per, (m.heap - before.heap) * per, (m.stack - before.stack) * per,
		(m.goroutines - before.goroutines) * per,
	}
}

// residentSet is the memory of this process that is in RAM. The figure in statm lags behind by up to a few hundred KB.
func residentSet() float64 { return rollup("self", "Rss") }

// rollup is a sum over the mappings of a process, in bytes.
func rollup(pid, what string) float64 {
	text, _ := os.ReadFile("/proc/" + pid + "/smaps_rollup")
	_, rest, _ := strings.Cut(string(text), "\n"+what+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		panic("no " + what + " in /proc/" + pid + "/smaps_rollup")
	}
	kb, _ := strconv.Atoi(fields[0])
	return float64(kb) * 1024
}

// descriptors is the number of files and sockets that this process has open.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// ioctlInt asks a descriptor for a number, 0 if it has none.
func ioctlInt(fd int, request uintptr) int32 {
	var v int32
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&v)))
	return v
}
