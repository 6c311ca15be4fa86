package web

// Shorten is shorten.
var Shorten = shorten
