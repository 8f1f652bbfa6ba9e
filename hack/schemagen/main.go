// Schemagen writes the JSON schema of the manifest, made from the types of api/v1, to
// standard output. Editors complete and check manifests with it, and `deploy-manifest
// schema` prints it. hack/generate puts it into place:
//
//	go run ./hack/schemagen >config/schema/manifest.schema.json
//
// It reads comments of api/v1 as descriptions, so it must run in the root of the
// repository.
package main

import (
	"fmt"
	"os"
)

func main() {
	out, err := generate("api/v1")
	if err == nil {
		_, err = os.Stdout.Write(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1)
	}
}
