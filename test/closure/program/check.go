package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// check is a health command: it asks the instance that has the same PORT and gives the
// exit status for it.
func check(s settings) int {
	time.Sleep(s.CheckDelay)
	if s.CheckCode != 0 {
		fmt.Fprintf(os.Stderr, "release %s: the check fails, as told\n", s.Release)
		return s.CheckCode
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	address := "http://" + net.JoinHostPort(s.Address, s.Port) + "/healthz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintf(os.Stderr, "%s answers %s\n", address, resp.Status)
		return 1
	}
	return 0
}
