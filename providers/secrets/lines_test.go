package secrets

import (
	"math/rand/v2"
	"testing"
)

func TestBadLine(t *testing.T) {
	for content, want := range map[string]int{
		"":                                   0,
		"A=1":                                0,
		"A=1\nB=2\n":                         0,
		"  A = 1 \r\n\r\nB=\n":               0,
		"# comment = 'open\n; another\nA=1":  0,
		"A='x y' \"z\"\n":                    0,
		"A='two\nlines'\nB=\"two\nlines\"\n": 0,
		"A=one \\\n two\nB=1\n":              0,
		"A=it's\n":                           0, // a quote inside a bare value is itself
		"A=\"\\\"\"\n":                       0,
		"A=$(rm -rf) `x` %n #no comment\n":   0,
		"password\n":                         1,
		"A=1\npassword":                      2,
		"A=1\n\n=2\n":                        3,
		"export A=1\n":                       1,
		"1A=1\n":                             1,
		"A-B=1\n":                            1,
		"\ufeffA=1\n":                        1,
		"A=1\nB='open\nC=3\n":                2,
		"A=1\nB=\"open\\\"\nC=3\n":           2,
		"A=1\nB=x\x00y\n":                    2,
		"A=1\nB=\x1b[0m\n":                   2,
		"A=1\nB=\xff\n":                      2,
		"A='a\nb\nc'\nB\n":                   4,
		"A=x\\\ny\nB\n":                      3,
	} {
		if got := badLine([]byte(content)); got != want {
			t.Errorf("%q: line %d, want %d", content, got, want)
		}
	}
}

func TestBadLineEndsForAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "A=1'\"\\\n\r\t #;x\x00\xff"
	for range 20_000 {
		content := make([]byte, random.IntN(30))
		lines := 1
		for i := range content {
			content[i] = alphabet[random.IntN(len(alphabet))]
			if content[i] == '\n' {
				lines++
			}
		}
		if got := badLine(content); got < 0 || got > lines {
			t.Fatalf("%q: line %d of %d", content, got, lines)
		}
	}
}
