package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// sumHeader names the SHA-256, in hex, of the whole body that we sent or got.
const sumHeader = "X-Sha256"

// mostBody is what a request may send.
const mostBody = 64 << 20

// echo sends the body back when all of it is here.
func echo(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(body)
}

// hash answers the body's SHA-256 in hex.
func hash(w http.ResponseWriter, r *http.Request) {
	if _, ok := readBody(w, r); ok {
		fmt.Fprintln(w, w.Header().Get(sumHeader))
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		http.Error(w, "the body did not come whole", http.StatusBadRequest)
		return nil, false
	}
	w.Header().Set(sumHeader, sum(body))
	return body, true
}

// download sends bytes=1000000 (or as many as asked for), spread over seconds=20. They are
// lines of 16 bytes, each being its own number with leading zeros, so that whoever gets
// them can tell at which byte something went wrong.
func download(w http.ResponseWriter, r *http.Request) {
	const pause = 50 * time.Millisecond
	seconds, errSeconds := intParameter(r, "seconds", 20, 3600)
	size, errSize := intParameter(r, "bytes", 1_000_000, mostBody)
	if errSeconds != nil || errSize != nil {
		http.Error(w, "say seconds=20 and, perhaps, bytes=1000000", http.StatusBadRequest)
		return
	}
	body := numbered(size)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.Header().Set(sumHeader, sum(body))
	pieces := max(seconds*int(time.Second/pause), 1)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	flush := http.NewResponseController(w)
	for i := range pieces {
		piece := body[i*size/pieces : (i+1)*size/pieces]
		if _, err := w.Write(piece); err != nil || flush.Flush() != nil {
			return
		}
		if seconds == 0 {
			continue
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

func intParameter(r *http.Request, name string, otherwise, most int) (int, error) {
	value := r.URL.Query().Get(name)
	if value == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(value)
	if err == nil && (n < 0 || n > most) {
		err = strconv.ErrRange
	}
	return n, err
}

// numbered gives 000000000000000\n000000000000001\n… cut at that size.
func numbered(size int) []byte {
	out := make([]byte, 0, size+16)
	for line := 0; len(out) < size; line++ {
		out = fmt.Appendf(out, "%015d\n", line)
	}
	return out[:size]
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}
