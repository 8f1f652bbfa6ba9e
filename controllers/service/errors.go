package service

import (
	"fmt"
	"slices"
	"strings"

	"deployer/providers"
)

// noEffect is the error of a step that was taken and shows no effect: the next one would
// be the same again. A program that ends as soon as it is started looks like this.
func noEffect(step Step, s *Scope) error {
	if step.Name() != (stepStart{}).Name() {
		return &providers.Fault{
			Reason:  "NoEffect",
			Message: fmt.Sprintf("the step %s was taken, and shows no effect: %s", step.Name(), step.Why(s)),
		}
	}
	slot := slotOf(step)
	if s.unit(slot).Running() {
		return unknownFault(s, slot)
	}
	return endedFault(s, slot)
}

// together joins errors into one sentence, the most important first. Its reason is that
// of the first; nil when there is none.
func together(all ...error) error {
	all = slices.DeleteFunc(all, func(err error) bool { return err == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return errorList(all)
}

type errorList []error

func (l errorList) Unwrap() []error { return l }

func (l errorList) Error() string {
	text := make([]string, len(l))
	for i, err := range l {
		text[i] = err.Error()
	}
	return strings.Join(text, "; ")
}
