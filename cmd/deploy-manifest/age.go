package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// age is a span of time that people count in days: 14d, 2w, or 36h as Go has it.
type age time.Duration

// String is in days where it can be.
func (a *age) String() string {
	const day = 24 * time.Hour
	d := time.Duration(*a)
	if d > 0 && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	return d.String()
}

// Type names the flag's kind in help.
func (*age) Type() string { return "age" }

// Set reads what people write.
func (a *age) Set(s string) error {
	units := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	var d time.Duration
	var err error
	number := strings.TrimRight(s, "dw")
	if unit, ok := units[strings.TrimPrefix(s, number)]; ok {
		var n uint64
		n, err = strconv.ParseUint(number, 10, 15) // 32767 weeks still fit
		d = time.Duration(n) * unit
	} else {
		d, err = time.ParseDuration(s)
	}
	const most = 100 * 365 * 24 * time.Hour
	if err != nil || d < 0 || d > most {
		return fmt.Errorf("%q is not a span of time; write 14d, 2w or 36h", s)
	}
	*a = age(d)
	return nil
}
