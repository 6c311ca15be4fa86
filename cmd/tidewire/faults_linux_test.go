package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
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
