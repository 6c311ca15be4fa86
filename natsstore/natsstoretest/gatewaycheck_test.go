package natsstoretest_test

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

// What is recorded can be read again, also if the last line is not whole.
func TestRecords(t *testing.T) {
	var log bytes.Buffer
	r := newRecorder(&log)
	wall := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	want := []record{
		{What: isBegun, Wall: &wall, For: 15 * time.Second},
		{What: isPoll, ID: r.id(), By: "g1", Name: "s4"},
		{What: hasSizes, By: "g2", Sizes: &sizes{Goroutines: 40, Heap: 1 << 20}},
	}
	for _, e := range want {
		r.add(e)
	}
	log.WriteString(`{"at":17,"what":"po`)
	got, err := readRecords(&log)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].At = 0
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}
