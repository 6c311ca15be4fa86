package alert

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/text"
)

// An Evaluation is what the conditions of an alert say about a value. The zero value says that none holds.
type Evaluation struct {
	holds   bool
	err     error // why that could not be evaluated
	over    bool  // the condition of the alert's end holds
	unclear error // why that could not be evaluated
}

// Evaluate evaluates the conditions on a picked value. A nil Monitor has none.
func (m *Monitor) Evaluate(ctx context.Context, value any) (e Evaluation) {
	if m == nil || m.alert.If == nil {
		return Evaluation{}
	}
	if e.holds, e.err = truth(ctx, m.alert.If, value); e.err != nil || e.holds {
		e.err = m.subject.Secrets.Error(e.err)
		return e
	}
	e.over = true
	if m.alert.Clear != nil {
		e.over, e.unclear = truth(ctx, m.alert.Clear, value)
		e.unclear = m.subject.Secrets.Error(e.unclear)
	}
	return e
}

// truth evaluates a condition.
func truth(ctx context.Context, condition *jq.Program, value any) (bool, error) {
	result, err := condition.Run(ctx, value)
	holds, ok := result.(bool)
	if err == nil && !ok {
		result, _ := json.Marshal(result) // what jq gives encodes
		err = fmt.Errorf("%s gives %s, want true or false", condition, text.Cut(text.Words(string(result)), 200))
	}
	return holds, err
}
