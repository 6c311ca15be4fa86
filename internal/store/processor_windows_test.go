package store_test

// processorTime is not measured here.
func processorTime() int64 { return 0 }
