package wire

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Args are the arguments of a job: in JSON an object by name, in the order in which a form shows them.
type Args []Arg

// An Arg is one argument of a job.
type Arg struct {
	Name     string   `json:"-"`
	Type     string   `json:"type"` // string, int, number, bool, enum, host, cidr, url, path or file
	Title    string   `json:"title,omitempty"`
	Default  any      `json:"default,omitempty"` // a string, number or bool; nil: the argument is required or secret
	Min      *float64 `json:"min,omitempty"`     // of int and number
	Max      *float64 `json:"max,omitempty"`
	Values   []string `json:"values,omitempty"` // of enum
	From     string   `json:"from,omitempty"`   // the source that gives Values; empty: the configuration does
	Why      string   `json:"why,omitempty"`    // why that gives none, or may not give all
	Secret   bool     `json:"secret,omitempty"` // the value is shown and logged nowhere
	Required bool     `json:"required"`
	MaxSize  int64    `json:"max_size,omitempty"` // of file, in bytes
	Accept   []string `json:"accept,omitempty"`   // of file: ends of names and media types; none: any
}

// MarshalJSON implements [json.Marshaler].
func (args Args) MarshalJSON() ([]byte, error) {
	object := []byte{'{'}
	for i, arg := range args {
		if i > 0 {
			object = append(object, ',')
		}
		name, err := json.Marshal(arg.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(arg)
		if err != nil {
			return nil, err
		}
		object = append(append(append(object, name...), ':'), value...)
	}
	return append(object, '}'), nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (args *Args) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errors.Join(err, errors.New("wire: the arguments of a job are no JSON object"))
	}
	*args = Args{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		var arg Arg
		if err := decoder.Decode(&arg); err != nil {
			return err
		}
		arg.Name, _ = token.(string) // as all keys are
		*args = append(*args, arg)
	}
	_, err := decoder.Token()
	return err
}
