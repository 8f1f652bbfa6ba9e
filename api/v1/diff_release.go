package v1

import "reflect"

// DiffRelease names the fields in which two releases differ, as a manifest writes them:
// "storePath", "env.PORT", "resources.memoryMax". Compare like with like: both as written,
// or both with their defaults.
func DiffRelease(before, after Release) []string {
	var d differ
	d.fields("", reflect.ValueOf(before), reflect.ValueOf(after))
	out := make([]string, len(d.changes))
	for i, c := range d.changes {
		out[i] = c.Field
	}
	return out
}
