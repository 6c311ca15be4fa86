package natsstore

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tidewire/tidewire/snapshot"
)

func TestRecords(t *testing.T) {
	for _, want := range []record{
		{Entry: snapshot.Entry{Topic: "a/b", Run: "R1", State: snapshot.Live}, owner: "O"},
		{Entry: snapshot.Entry{Topic: "a/b", Run: "R1", N: math.MaxUint64, State: snapshot.Final, Data: []byte("x")}, owner: "O"},
		{Entry: snapshot.Entry{Topic: "a/b", Run: "R1", N: 7, State: snapshot.Orphan}, owner: "O"},
		{Entry: snapshot.Entry{Topic: "a/b", Run: "R1", N: 7, State: snapshot.Gone, Data: []byte("x")}, owner: "O"},
	} {
		h := nats.Header{headerEntry: {want.header()}}
		got, err := parseRecord(keyOf(want.Topic), "", h, want.Data)
		if err != nil || got.Topic != want.Topic || got.Run != want.Run || got.N != want.N || got.State != want.State ||
			got.owner != want.owner || string(got.Data) != string(want.Data) {
			t.Errorf("%q is read as %v, %v, want %v", want.header(), got, err, want)
		}
		h.Set(headerEntry, want.header()+" more of a later version")
		if got, err := parseRecord("a", "a", h, nil); err != nil || got.owner != want.owner {
			t.Errorf("with fields that were added it is read as %v, %v", got, err)
		}
	}
	const removed = "1 gone removed 0 -" // by hand, as docs/cluster.md says
	if got, err := parseRecord("a", "a", nats.Header{headerEntry: {removed}}, nil); err != nil || got.State != snapshot.Gone || got.holds() {
		t.Errorf("%q is read as %v, %v", removed, got, err)
	}
	for _, bad := range []string{"", "1", "x live R1 0 O", "1 dead R1 0 O", "1 live a-1 0 O", "1 live R1 x O", "1 live  0 O", "1 live R1 0", "1 live R1 0 a.b"} {
		if got, err := parseRecord("a", "a", nats.Header{headerEntry: {bad}}, nil); err == nil {
			t.Errorf("%q is read as %v, want an error", bad, got)
		}
	}
	if got, err := parseRecord("a", "a", nats.Header{headerEntry: {"2 something"}}, nil); err != nil || !got.alien {
		t.Errorf("a later version is read as %v, %v, want it left alone", got, err)
	}
	if got, err := parseRecord("a", "a", nats.Header{headerMarker: {"MaxAge"}}, nil); err != nil || got.holds() {
		t.Errorf("a marker is read as %v, %v, want nothing", got, err)
	}
}

func TestRetentionIsRoundedUp(t *testing.T) {
	for retention, want := range map[time.Duration]string{
		time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Minute: "5400",
		math.MaxInt64: "", 100 * 365 * 24 * time.Hour: "", math.MaxInt64 - 1: "",
	} {
		if got := ttlOf(retention); got != want {
			t.Errorf("ttlOf(%v) = %q, want %q", retention, got, want)
		}
	}
}

// Whatever is in a header, a record that can be read is written as it was read.
func FuzzRecords(f *testing.F) {
	f.Add("1 live Run1 0 Owner")
	f.Add("1 final 0 18446744073709551615 ")
	f.Add("1 gone A 7 B of a later version")
	f.Add("2 something new")
	f.Add("1 orphan a-b 1 O")
	f.Fuzz(func(t *testing.T, header string) {
		r, err := parseRecord("a", "", nats.Header{headerEntry: {header}}, nil)
		if err != nil || r.alien {
			return
		}
		again, err := parseRecord("a", "", nats.Header{headerEntry: {r.header()}}, nil)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
			t.Errorf("%q is read as %v, and that as %v, %v", header, r, again, err)
		}
	})
}
