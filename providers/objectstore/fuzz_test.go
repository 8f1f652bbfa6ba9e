package objectstore_test

import (
	"strings"
	"testing"

	"deployer/providers/objectstore"
)

// FuzzParse: whatever is accepted prints as a URL that means the same, and whatever is
// refused is refused in one line.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"s3://shop/a/b?endpoint=http://[::1]:7070/x&profile=p&region=r&path-style=false", "s3://shop?scheme=http&endpoint=a:1",
		"file:///a%20b/../c", "file://localhost/x", "s3://u:p@shop", "s3://shop/%00", "s3://shop?endpoint=%2F%2Fx", "s3://sh%6fp/%2e%2e/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		loc, err := objectstore.Parse(url)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than a line: %q", url, err)
			}
			return
		}
		again, err := objectstore.Parse(loc.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which is refused: %v", url, loc, err)
		}
		if again != loc {
			t.Errorf("%q is %+v, prints as %q, which is %+v", url, loc, loc, again)
		}
	})
}
