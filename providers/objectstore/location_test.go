package objectstore_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers/objectstore"
)

var _ = DescribeTable("A store URL that is right", func(url string, want objectstore.Location, plain string) {
	got, err := objectstore.Parse(url)
	Expect(err).NotTo(HaveOccurred())
	Expect(got).To(Equal(want))
	Expect(got.String()).To(Equal(plain))
	again, err := objectstore.Parse(got.String())
	Expect(err).NotTo(HaveOccurred())
	Expect(again).To(Equal(want))
},
	Entry("a bucket at Amazon's", "s3://shop", objectstore.Location{Scheme: "s3", Bucket: "shop"}, "s3://shop"),
	Entry("all of Nix's form", "s3://shop?endpoint=fra1.digitaloceanspaces.com&profile=do&scheme=https&region=fra1",
		objectstore.Location{Scheme: "s3", Bucket: "shop", Endpoint: "https://fra1.digitaloceanspaces.com", Profile: "do", Region: "fra1", PathStyle: true},
		"s3://shop?endpoint=fra1.digitaloceanspaces.com&profile=do&region=fra1&scheme=https"),
	Entry("an endpoint with its scheme", "s3://shop?endpoint=http://127.0.0.1:7070/",
		objectstore.Location{Scheme: "s3", Bucket: "shop", Endpoint: "http://127.0.0.1:7070", PathStyle: true},
		"s3://shop?endpoint=127.0.0.1:7070&scheme=http"),
	Entry("a prefix", "s3://shop/team/one/", objectstore.Location{Scheme: "s3", Bucket: "shop", Prefix: "team/one"}, "s3://shop/team/one"),
	Entry("path style off", "s3://shop?endpoint=s3.example.com&path-style=false",
		objectstore.Location{Scheme: "s3", Bucket: "shop", Endpoint: "https://s3.example.com"},
		"s3://shop?endpoint=s3.example.com&path-style=false&scheme=https"),
	Entry("path style on", "s3://shop?path-style=true",
		objectstore.Location{Scheme: "s3", Bucket: "shop", PathStyle: true}, "s3://shop?path-style=true"),
	Entry("an IPv6 endpoint", "s3://shop?endpoint=[::1]:7070&scheme=http",
		objectstore.Location{Scheme: "s3", Bucket: "shop", Endpoint: "http://[::1]:7070", PathStyle: true},
		"s3://shop?endpoint=%5B::1%5D:7070&scheme=http"),
	Entry("a directory", "file:///var/lib/biz-deployer/store/", objectstore.Location{Scheme: "file", Dir: "/var/lib/biz-deployer/store"}, "file:///var/lib/biz-deployer/store"),
	Entry("a directory with a space", "file:///a%20b", objectstore.Location{Scheme: "file", Dir: "/a b"}, "file:///a%20b"),
)

var _ = DescribeTable("A store URL that is wrong", func(url string, says ...string) {
	_, err := objectstore.Parse(url)
	Expect(err).To(HaveOccurred())
	for _, s := range says {
		Expect(err.Error()).To(ContainSubstring(s))
	}
	Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
	Expect(err.Error()).NotTo(ContainSubstring("\n"))
	_, opened := objectstore.Open(context.Background(), url, objectstore.Options{})
	Expect(opened).To(MatchError(err.Error()))
},
	Entry("nothing", "", "empty", "s3://bucket"),
	Entry("a bare word", "shop", `"shop" has no scheme`, "s3://bucket"),
	Entry("another scheme", "gs://shop", `unknown scheme "gs"`, "file:///dir"),
	Entry("a misspelt scheme", "s4://shop", `"s4"`, `did you mean "s3"?`),
	Entry("no bucket", "s3://", "no bucket"),
	Entry("no bucket, but an endpoint", "s3://?endpoint=x", "no bucket"),
	Entry("an endpoint for a bucket", "s3://127.0.0.1:7070/shop", `"127.0.0.1:7070" is not a bucket`, "?endpoint="),
	Entry("a short bucket", "s3://ab", `"ab" is not a bucket`),
	Entry("a misspelt parameter", "s3://shop?endpont=x", `unknown parameter "endpont"`, `did you mean "endpoint"?`),
	Entry("a parameter with an underscore", "s3://shop?path_style=true", `did you mean "path-style"?`),
	Entry("a parameter of nobody", "s3://shop?colour=red", `unknown parameter "colour"`, "known are endpoint"),
	Entry("a parameter twice", "s3://shop?region=a&region=b", `"region" is there 2 times`),
	Entry("an empty parameter", "s3://shop?profile=", `"profile" is empty`),
	Entry("a scheme that is none", "s3://shop?endpoint=x&scheme=ftp", `scheme="ftp"`),
	Entry("two schemes", "s3://shop?endpoint=http://x&scheme=https", "leave one of them out"),
	Entry("http without an endpoint", "s3://shop?scheme=http", "needs an endpoint"),
	Entry("an endpoint with a strange scheme", "s3://shop?endpoint=ftp://x", `"ftp"`),
	Entry("an endpoint with a query", "s3://shop?endpoint=x%3Fy", "host:port"),
	Entry("path-style=yes", "s3://shop?path-style=yes", `path-style="yes"`),
	Entry("a profile with a line break", "s3://shop?profile=a%0Ab", `profile="a\nb"`),
	Entry("credentials", "s3://me:hunter2@shop", "credentials do not belong"),
	Entry("credentials in the endpoint", "s3://shop?endpoint=http://me:hunter2@x", "credentials do not belong"),
	Entry("credentials in what is no URL", "s3://me:hunter2@sh op", "write s3://"),
	Entry("a prefix that leaves", "s3://shop/../x", `prefix "../x"`),
	Entry("a host in a file URL", "file://var/lib/x", "three slashes", "file:///var/lib/x"),
	Entry("a relative file URL", "file:x", "absolute"),
	Entry("a file URL with parameters", "file:///x?region=a", "no parameters"),
	Entry("the root of the machine", "file:///", "root of the machine"),
	Entry("a fragment", "s3://shop#x", "#x"),
)
