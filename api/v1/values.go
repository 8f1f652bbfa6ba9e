package v1

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Duration is a time span that people write as "500ms", "10s" or "1h30m"; a bare number
// means seconds.
type Duration time.Duration

// MarshalJSON writes the form people write.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).String())
}

// UnmarshalJSON accepts "10s" and 10.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err == nil {
		*d = Duration(seconds * float64(time.Second))
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is not a duration; write \"10s\", \"500ms\" or a number of seconds", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration; write \"10s\", \"500ms\" or a number of seconds", s)
	}
	*d = Duration(v)
	return nil
}

// Toggle is a systemd setting that is a boolean or a word: true, "strict", "read-only".
type Toggle string

// MarshalJSON writes true and false as booleans, words as strings.
func (t Toggle) MarshalJSON() ([]byte, error) {
	if t == "true" || t == "false" {
		return []byte(t), nil
	}
	return json.Marshal(string(t))
}

// UnmarshalJSON accepts a boolean or a word; yes and no are booleans.
func (t *Toggle) UnmarshalJSON(b []byte) error {
	if v, err := strconv.ParseBool(string(b)); err == nil {
		*t = Toggle(strconv.FormatBool(v))
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s is neither true, false nor a word", b)
	}
	switch s {
	case "yes":
		s = "true"
	case "no":
		s = "false"
	}
	*t = Toggle(s)
	return nil
}

// Command is a program with its arguments. In JSON it is null, a string that is split as
// a shell would split it (and never run by one), or a list of words.
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
		return fmt.Errorf("%s is neither null, a string nor a list of strings", b)
	}
	words, err := SplitWords(s)
	if err != nil {
		return err
	}
	*c = words
	return nil
}
