package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/internal/store"
)

// smallDisk mounts a disk in memory on a new directory, for the length of the test. It skips the test for users who may not.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	path := t.TempDir()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skip("this user may not mount a disk")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { // after those of the test, which close the store
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return path
}

// A real disk that is full, because of something else on it.
func TestRealDiskThatIsFull(t *testing.T) {
	disk := smallDisk(t, "4m")
	path := filepath.Join(disk, "data")
	log := new(safeBuffer)
	d := openLogging(t, path, slog.NewTextHandler(log, nil))
	l := &life{t: t, s: d.Snapshots()}
	now(t, d, table)
	l.live()
	other := filepath.Join(disk, "other")
	f, err := os.Create(other)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := d.Now(t.Context(), "INSERT INTO test SELECT 1, zeroblob(200000)"); err == nil || !isFailing(d) {
		t.Errorf("now on a full disk = %v", err)
	}
	l.live()
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	until(t, "it works", func() bool { return !isFailing(d) })
	l.live()
	closeDir(t, d)
	checkLog(t, log, "failed_for")
	checkSound(t, path)
	l.check(open(t, path).Snapshots())
}

// A disk that is read-only at the start is refused with a sentence.
func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t, "4m")
	path := filepath.Join(disk, "data")
	closeDir(t, open(t, path))
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Join(disk, "new")} {
		_, err := store.Open(t.Context(), dir, store.Options{})
		if err == nil || !strings.Contains(err.Error(), "read-only file system: choose a directory that this user can write") {
			t.Errorf("Open = %v, want that the disk is read-only, and what to do", err)
		}
	}
}

// A copy that cp makes while the store is written harms nothing. It may be in itself incomplete: then it is refused, or else
// it has what was stored.
func TestCopyWhileItIsWritten(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	now(t, d, table)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				now(t, d, fmt.Sprintf("INSERT INTO test VALUES (%d, zeroblob(3000))", i%500+i/500*1000))
			}
		}
	})
	for range 8 {
		to := filepath.Join(t.TempDir(), "copy")
		if out, err := exec.Command("cp", "-r", path, to).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v\n%s", err, out)
		}
		copied, err := store.Open(t.Context(), to, store.Options{})
		if err != nil {
			t.Logf("the copy is refused: %v", err)
			continue
		}
		_ = copied.Close(t.Context())
	}
	close(stop)
	writing.Wait()
	closeDir(t, d)
	checkSound(t, path)
}

// A copy that has no room says which file could not be written: there are two disks, that of the store and its own.
func TestBackupToADiskThatIsFull(t *testing.T) {
	path, disk := t.TempDir(), smallDisk(t, "16k")
	closeDir(t, open(t, path))
	file := filepath.Join(disk, "copy.db")
	if _, err := store.Backup(t.Context(), path, file); err == nil || !strings.Contains(err.Error(), "write "+file+": database or disk is full") {
		t.Errorf("Backup = %v, want that %s could not be written", err, file)
	}
	if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left, want nothing", left, err)
	}
}

// A backup that was put in its place by root is not readable for the user of the gateway, until it has that owner.
func TestDatabaseOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	const other = 65532
	path := filepath.Join(t.TempDir(), "data")
	closeDir(t, open(t, path))
	for _, name := range []string{path, filepath.Join(path, "lock")} {
		if err := os.Chown(name, other, other); err != nil {
			t.Fatal(err)
		}
	}
	for parent := filepath.Dir(path); parent != filepath.Clean(os.TempDir()) && parent != "/"; parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(other); err != nil {
		t.Fatal(err)
	}
	defer unix.Setfsuid(0)
	_, err := store.Open(t.Context(), path, store.Options{})
	if err == nil || !strings.Contains(err.Error(), "tidewire.db: permission denied: it must belong to the user that tidewire runs as") {
		t.Errorf("Open = %v, want whom the file must belong to", err)
	}
}
