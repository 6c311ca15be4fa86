// Package natsstoretest tests package natsstore on real servers: one, and three that form a cluster. It is a module of
// its own, so that nobody who imports natsstore downloads nats-server.
package natsstoretest
