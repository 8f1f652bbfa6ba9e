package nix

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeNar writes a file tree as a NAR, the form in which Nix hashes and ships a path. What
// it wrote is always compared with the hash in the Nix database, so a mistake here cannot
// reach a cache. (The library's own writer takes a name that begins with ".." for the way
// up, and never ends when the reader of what it writes gives up.)
func writeNar(to io.Writer, path string) error {
	n := narWriter{wire: wire{out: bufio.NewWriterSize(to, 256<<10)}}
	n.text("nix-archive-1")
	n.node(path)
	n.flush()
	return n.err
}

type narWriter struct{ wire }

func (n *narWriter) texts(words ...string) {
	for _, w := range words {
		n.text(w)
	}
}

func (n *narWriter) node(path string) {
	if n.err != nil {
		return
	}
	info, err := os.Lstat(path)
	if err != nil {
		n.keep(err)
		return
	}
	n.texts("(", "type")
	switch mode := info.Mode(); {
	case mode&os.ModeSymlink != 0:
		target, err := os.Readlink(path)
		n.keep(err)
		n.texts("symlink", "target", target)
	case mode.IsDir():
		n.text("directory")
		n.entries(path)
	case mode.IsRegular():
		n.text("regular")
		if mode&0o100 != 0 {
			n.texts("executable", "")
		}
		n.text("contents")
		n.content(path, info.Size())
	default:
		n.keep(fmt.Errorf("%s is neither a file, a directory nor a link", path))
	}
	n.text(")")
}

// entries are sorted by name, as Nix sorts them.
func (n *narWriter) entries(dir string) {
	entries, err := os.ReadDir(dir)
	n.keep(err)
	for _, e := range entries {
		n.texts("entry", "(", "name", e.Name(), "node")
		n.node(filepath.Join(dir, e.Name()))
		n.text(")")
	}
}

func (n *narWriter) content(path string, size int64) {
	n.number(uint64(size)) //nolint:gosec // the size of a file is not negative
	if n.err != nil {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		n.keep(err)
		return
	}
	defer f.Close()
	if _, err := io.CopyN(n.out, f, size); err != nil {
		n.keep(fmt.Errorf("reading %s: %w", path, err))
		return
	}
	_, err = n.out.Write(make([]byte, padding(int(size%8))))
	n.keep(err)
}
