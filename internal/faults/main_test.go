package faults

import (
	"testing"

	"go.uber.org/goleak"
)

// Catches goroutines that outlive what started them.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
