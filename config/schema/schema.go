// Package schema holds the JSON schema of the manifest, which `make generate` writes from
// api/v1, for editors and for `deploy-manifest schema`.
package schema

import _ "embed"

//go:embed manifest.schema.json
var manifest string

// Manifest is the JSON schema of the manifest.
func Manifest() string { return manifest }
