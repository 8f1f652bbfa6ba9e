// Importcheck keeps the layers of the house apart: it reads the imports of every Go
// file of the module, whatever its build tags, and names each that the table in
// rules.go does not allow. It needs no build, so it also works in a broken tree.
//
//	go run ./hack/importcheck [DIR]
//
// Exit status: 0 all allowed; 1 something is not; 2 the tree could not be read.
package main

import (
	"fmt"
	"os"
)

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	problems, err := check(os.DirFS(dir), rules())
	if err != nil {
		fmt.Fprintln(os.Stderr, "importcheck:", err)
		os.Exit(2)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}
