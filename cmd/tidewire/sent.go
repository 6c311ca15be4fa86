package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// A sent is a value of the API, also as the gateway sent it: a newer one may say more.
type sent[T any] struct {
	is  T
	raw json.RawMessage
}

// UnmarshalJSON implements [json.Unmarshaler].
func (s *sent[T]) UnmarshalJSON(data []byte) error {
	s.raw = slices.Clone(data)
	return json.Unmarshal(data, &s.is)
}

// printSent prints values as they were sent, a line each.
func printSent[T any](out io.Writer, all []sent[T]) error {
	for _, one := range all {
		if _, err := fmt.Fprintf(out, "%s\n", one.raw); err != nil {
			return err
		}
	}
	return nil
}

// values returns what was sent.
func values[T any](all []sent[T]) []T {
	list := make([]T, len(all))
	for i, one := range all {
		list[i] = one.is
	}
	return list
}
