// Package explore finds out what an answer has in it, and writes the source that takes from it what somebody chooses.
//
// [Guess] says in which format an answer is, [Leaves] lists all that is in its value, with the jq expressions that lead there,
// and [Draft] is a source, and its upstream, that is written into a configuration. Nothing here asks anybody: an answer comes by the same
// road as every value, from a poll of a [Draft].
package explore
