package hook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// signatureOf is the signature in a header, as a list of one; nil if there is none.
func signatureOf(text string) [][]byte {
	if mac := decode(text); mac != nil {
		return [][]byte{mac}
	}
	if _, rest, ok := strings.Cut(text, "="); ok {
		if mac := decode(rest); mac != nil {
			return [][]byte{mac}
		}
	}
	return nil
}

// decode returns the 32 bytes that a text spells, nil if it spells none.
func decode(text string) []byte {
	mac, err := hex.DecodeString(text)
	if len(text) != hex.EncodedLen(sha256.Size) {
		mac, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(mac) != sha256.Size {
		return nil
	}
	return mac
}

// stripe returns the time and the signatures of a header of Stripe, nil if there are none. A time that is there twice is none.
func stripe(text string) (at string, signatures [][]byte) {
	times := 0
	for part := range strings.SplitSeq(text, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); {
		case name == "t":
			at = value
			times++
		case name == "v1" && len(signatures) < maxSignatures:
			if mac := decode(value); mac != nil {
				signatures = append(signatures, mac)
			}
		}
	}
	if times != 1 {
		at = ""
	}
	return at, signatures
}

// standard returns the signatures of a header of Standard, nil if there are none.
func standard(text string) (signatures [][]byte) {
	for part := range strings.FieldsSeq(text) {
		value, ok := strings.CutPrefix(part, "v1,")
		if mac := decode(value); ok && mac != nil && len(signatures) < maxSignatures {
			signatures = append(signatures, mac)
		}
	}
	return signatures
}
