package wire

// A Delivery is what came of what was sent to a hook.
type Delivery struct {
	Hook     string `json:"hook"`
	Job      string `json:"job"`
	Run      string `json:"run"`      // its ID
	Repeated bool   `json:"repeated"` // the same was sent before, and led to the run
}

// A Challenge answers Slack, which asks whether an address is that of a hook.
type Challenge struct {
	Challenge string `json:"challenge"` // as it was sent
}
