package listeners

import (
	"net"
	"testing"
)

// BenchmarkEstablished counts among 4,000 rows of the kernel's table: 2,000 connections,
// both ends of which are here.
func BenchmarkEstablished(b *testing.B) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	const connections = 2000
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	for range connections {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
	}
	b.ResetTimer()
	b.ReportAllocs()
	for range b.N {
		if n, err := Established(port); err != nil || n != connections {
			b.Fatal(n, err)
		}
	}
}
