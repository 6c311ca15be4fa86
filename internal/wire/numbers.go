package wire

import (
	"encoding/json"
	"math"
	"strconv"
)

// Numbers is a list of numbers in which NaN, in JSON null, stands for none.
type Numbers []float64

// MarshalJSON implements [json.Marshaler]. A nil list is an empty one.
func (list Numbers) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, 2+8*len(list))
	text = append(text, '[')
	for i, x := range list {
		if i > 0 {
			text = append(text, ',')
		}
		if x != x {
			text = append(text, "null"...)
		} else {
			text = strconv.AppendFloat(text, x, 'g', -1, 64)
		}
	}
	return append(text, ']'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (list *Numbers) UnmarshalJSON(text []byte) error {
	var numbers []*float64
	if err := json.Unmarshal(text, &numbers); err != nil {
		return err
	}
	*list = make(Numbers, len(numbers))
	for i, x := range numbers {
		if (*list)[i] = math.NaN(); x != nil {
			(*list)[i] = *x
		}
	}
	return nil
}
