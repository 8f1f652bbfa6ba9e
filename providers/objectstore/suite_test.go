package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

func TestObjectStore(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Object stores")
}

// TestIncrementer is the other process of the F8 spec: it counts in a store until it is
// killed, and says so after each write. Run as a test it does nothing.
func TestIncrementer(t *testing.T) {
	dir := os.Getenv("OBJECTSTORE_INCREMENT")
	if dir == "" {
		return
	}
	ctx := context.Background()
	s, err := objectstore.Open(ctx, "file://"+dir, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		info, err := s.Stat(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fetch(ctx, s, providers.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(got)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Put(ctx, key, strings.NewReader(strconv.Itoa(n+1)), providers.PutOptions{IfMatch: info.ETag})
		switch {
		case err == nil:
			fmt.Println("done")
		case !errors.Is(err, providers.ErrConflict):
			t.Fatal(err)
		}
	}
}
