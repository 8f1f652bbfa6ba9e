package v1

import (
	"errors"
	"strings"
)

// SplitWords splits a command line into words as a POSIX shell would: blanks separate,
// single quotes keep everything, double quotes keep everything but \" \\ \$ \` and a
// backslash keeps the next character. Nothing is expanded: $HOME, * and ; are plain
// characters, for no shell ever sees the words. An error means an open quote or a
// backslash at the end.
func SplitWords(line string) ([]string, error) {
	s := splitter{rest: line}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.flush()
	return s.words, nil
}

type splitter struct {
	rest  string
	words []string
	word  strings.Builder
	// open: a word has begun, if only with an empty pair of quotes.
	open bool
}

// step takes one character, or one quoted part.
func (s *splitter) step() error {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch c {
	case ' ', '\t', '\n', '\r':
		s.flush()
	case '\'':
		return s.single()
	case '"':
		return s.double()
	case '\\':
		if s.rest == "" {
			return errors.New("the line ends with a backslash")
		}
		s.take(1)
	default:
		s.open = true
		s.word.WriteByte(c)
	}
	return nil
}

func (s *splitter) single() error {
	end := strings.IndexByte(s.rest, '\'')
	if end < 0 {
		return errors.New("a single quote is not closed")
	}
	s.take(end)
	s.rest = s.rest[1:]
	return nil
}

func (s *splitter) double() error {
	s.open = true
	for s.rest != "" {
		switch c := s.rest[0]; {
		case c == '"':
			s.rest = s.rest[1:]
			return nil
		case c == '\\' && len(s.rest) > 1 && strings.IndexByte("\"\\$`", s.rest[1]) >= 0:
			s.rest = s.rest[1:]
			s.take(1)
		default:
			s.take(1)
		}
	}
	return errors.New("a double quote is not closed")
}

// take moves n bytes of the line into the word.
func (s *splitter) take(n int) {
	s.open = true
	s.word.WriteString(s.rest[:n])
	s.rest = s.rest[n:]
}

func (s *splitter) flush() {
	if s.open {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.open = false
}
