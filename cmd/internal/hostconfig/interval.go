package hostconfig

import (
	"encoding/json"
	"slices"

	v1 "deployer/api/v1"
)

// Interval is a v1.Duration that can be off, which is zero.
type Interval v1.Duration

// UnmarshalJSON accepts what a duration may be, and off, which YAML has as false, or 0.
func (i *Interval) UnmarshalJSON(b []byte) error {
	if slices.Contains([]string{`false`, `"off"`, `0`, `"0"`, `"0s"`}, string(b)) {
		*i = 0
		return nil
	}
	return (*v1.Duration)(i).UnmarshalJSON(b)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (i Interval) MarshalJSON() ([]byte, error) {
	if i == 0 {
		return json.Marshal("off")
	}
	return v1.Duration(i).MarshalJSON()
}
