package v1

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span that people write as "500ms", "10s" or "1h30m"; a bare number
// means seconds. It is never zero when written: leaving it out asks for the default.
type Duration time.Duration

// String is the form people write: "1h30m", not "1h30m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalJSON writes the form people write.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON accepts "10s" and 10; null is "not written".
func (d *Duration) UnmarshalJSON(b []byte) error {
	return unmarshalScalar(b, d, parseDuration)
}

// parseDuration reads what people write. The error says what was expected.
func parseDuration(s string) (Duration, error) {
	v, err := time.ParseDuration(s)
	if seconds, notNumber := strconv.ParseFloat(s, 64); notNumber == nil {
		v, err = time.Duration(seconds*float64(time.Second)), nil
		if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/float64(time.Second)/2 {
			err = errors.New("out of range")
		}
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a duration; write 10s, 500ms, 1h30m or a number of seconds", quote(s))
	case v <= 0:
		return 0, fmt.Errorf("%s is not above zero; leave it out for the default", quote(s))
	}
	return Duration(v), nil
}

// Toggle is a systemd setting that is a boolean or a word: true, "strict", "read-only".
// Empty means that it was not written.
type Toggle string

// The toggles that are booleans.
const (
	ToggleOn  Toggle = "true"
	ToggleOff Toggle = "false"
)

// MarshalJSON writes true and false as booleans, words as strings.
func (t Toggle) MarshalJSON() ([]byte, error) {
	if t == ToggleOn || t == ToggleOff {
		return []byte(t), nil
	}
	return json.Marshal(string(t))
}

// UnmarshalJSON accepts a boolean or a word; yes and no are booleans.
func (t *Toggle) UnmarshalJSON(b []byte) error {
	return unmarshalScalar(b, t, parseToggle)
}

func parseToggle(s string) (Toggle, error) {
	switch s {
	case "yes", "on", "True", "TRUE":
		return ToggleOn, nil
	case "no", "off", "False", "FALSE":
		return ToggleOff, nil
	}
	return Toggle(s), nil
}

// Command is a program with its arguments. In JSON it is null, a string that is split as
// a shell would split it (and never run by one), or a list of words; it is stored as a list.
type Command []string

// UnmarshalJSON accepts null, a string and a list.
func (c *Command) UnmarshalJSON(b []byte) error {
	var list []string
	if err := json.Unmarshal(b, &list); err == nil {
		*c = list
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is neither null, a string nor a list of strings", quote(string(b)))
	}
	words, err := SplitWords(s)
	if err != nil {
		return err
	}
	*c = words
	return nil
}

// unmarshalScalar gives the text of a JSON string, number or boolean to parse.
func unmarshalScalar[T any](b []byte, target *T, parse func(string) (T, error)) error {
	text := string(b)
	if text == "null" {
		return nil
	}
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
	}
	v, err := parse(text)
	if err != nil {
		return err
	}
	*target = v
	return nil
}

// quote shows a value in a sentence, shortened, with nothing that a terminal would obey.
func quote(s string) string {
	const most = 60
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(s[:cut]), len(s))
}
