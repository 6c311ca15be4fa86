package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// A service that has run out of file descriptors goes on, and answers once some are free.
func TestServiceWithoutFileDescriptors(t *testing.T) {
	const limit = 48
	p := service(t, nil, file(t, "version: 1\n"))
	most := syscall.Rlimit{Cur: limit, Max: limit}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.Process.Pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&most)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	var conns []net.Conn
	for range 2 * limit { // those that are not accepted wait in the kernel
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		used, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if len(used) >= limit {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the service has %d descriptors, want all %d in use", len(used), limit)
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
	resp, err := (&http.Client{Timeout: patience}).Get(p.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("GET /readyz once descriptors are free = %d, want 200", resp.StatusCode)
	}
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("serve ended with %v, want 0\n%s", err, p.log)
	}
	if !strings.Contains(p.log.String(), "too many open files") {
		t.Errorf("the log is\n%s\nwant that there were too many open files", p.log)
	}
}

// A gateway that is killed takes with it what its commands have started: what left their group, what does not
// listen to TERM, and the children of that.
func TestNothingOutlivesAGatewayThatIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alive := filepath.Join(dir, "alive") // held open by each of the processes
	if err := syscall.Mkfifo(alive, 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "work.sh")
	if err := os.WriteFile(script, []byte(`#!/bin/sh
exec 9>`+alive+` >/dev/null 2>&1
setsid sleep 600 &
(trap "" TERM HUP INT; sleep 600) &
setsid sh -c 'trap "" TERM; sleep 600 & setsid sh -c "sleep 600; :"; :' &
echo up >&9
wait
`), 0o700); err != nil {
		t.Fatal(err)
	}
	p := service(t, nil, file(t, fmt.Sprintf("version: 1\njobs: {work: {exec: [%s]}}\nsources: {poll: {exec: [%[1]s], timeout: 10m}}\n", script)))
	resp, err := http.Post(p.url+"/api/v1/jobs/work/runs", "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the start is answered %v, %v", resp, err)
	}
	resp.Body.Close()
	held, err := os.Open(alive)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	_ = held.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(held, make([]byte, len("up\nup\n"))); err != nil {
		t.Fatalf("the job and the source do not run: %v\n", err)
	}
	p.signal(syscall.SIGKILL)
	_ = held.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, held); err != nil {
		t.Errorf("processes live on after the gateway was killed: %v", err)
	}
}
