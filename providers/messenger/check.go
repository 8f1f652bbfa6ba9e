package messenger

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckProgram tells why a program could not be run as a Command: it is not there, not a
// file, not executable, or a script whose interpreter is none of these. It runs nothing.
func CheckProgram(path string) error {
	if err := executable(path); err != nil {
		return err
	}
	interpreter := interpreterOf(path)
	if interpreter == "" {
		return nil
	}
	if err := executable(interpreter); err != nil {
		return fmt.Errorf("%s is a script, and its interpreter cannot be run: %w", path, err)
	}
	return nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no %s", path)
	case err != nil:
		return fmt.Errorf("looking at the program: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", path)
	case unix.Access(path, unix.X_OK) != nil:
		return fmt.Errorf("%s is not executable", path)
	}
	return nil
}

// interpreterOf is empty for what is no script, or cannot be read.
func interpreterOf(path string) string {
	file, err := os.Open(path) //nolint:gosec // root's own configuration names it
	if err != nil {
		return ""
	}
	defer file.Close()
	const longest = 256 // the kernel reads no more
	line, _ := bufio.NewReaderSize(file, longest).ReadSlice('\n')
	after, script := strings.CutPrefix(string(line), "#!")
	if words := strings.Fields(after); script && len(words) > 0 {
		return words[0]
	}
	return ""
}
