package echosse

var Structured = structured
