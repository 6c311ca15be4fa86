package debug

var (
	Span    = span
	KeyText = keyText
)

const MaxRows = maxRows
