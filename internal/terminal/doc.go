// Package terminal displays text in a terminal: it measures, cuts and aligns text in columns, and redraws lines in
// place.
package terminal
