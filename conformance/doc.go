// Package conformance runs clients of others against Tidewire's servers, Tidewire's clients against servers of others,
// and both through reverse proxies and compressing middleware. The peers, and what they do otherwise than the standard
// asks, are tables: clients_test.go, servers_test.go, proxies_test.go and middleware_test.go.
//
// No test sleeps to wait for something. What reconnects takes its time all the same, so the tests run side by side.
package conformance
