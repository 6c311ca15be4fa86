package snapshottest

import (
	"flag"
	"fmt"
	"testing"
)

// Twice runs the tests of a package, calls late, and runs the tests again. It is for packages whose tests have to pass
// over a store that tells its followers at once, and over a [Distant] one: late makes the tests use that from then on.
// There is no second run after a failure, and none for benchmarks and fuzzing. Twice returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(snapshottest.Twice(m, func() { distant = true })) }
func Twice(m *testing.M, late func()) (code int) {
	if code = m.Run(); code != 0 {
		return code
	}
	for _, name := range []string{"test.bench", "test.fuzz", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return 0
		}
	}
	fmt.Println("again, over a store whose followers hear late")
	late()
	return m.Run()
}
