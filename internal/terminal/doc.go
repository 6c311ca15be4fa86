// Package terminal shows people in a terminal what programs know: text from outside that
// cannot command the terminal, columns that stand below each other, and lines that are
// drawn again in place.
package terminal
