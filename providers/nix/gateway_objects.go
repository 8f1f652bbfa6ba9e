package nix

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"deployer/providers"
)

func contentType(key string) string {
	switch {
	case key == cacheInfoKey:
		return "text/x-nix-cache-info"
	case strings.HasSuffix(key, ".narinfo"):
		return "text/x-nix-narinfo"
	}
	return "application/x-nix-nar"
}

func (g *Gateway) head(w http.ResponseWriter, r *http.Request, key string) {
	info, err := g.o.Objects.Stat(r.Context(), key)
	if errors.Is(err, providers.ErrNotFound) && key == cacheInfoKey {
		info, err = providers.ObjectInfo{Size: int64(len(cacheInfo))}, nil
	}
	if err != nil {
		g.refuse(w, r, key, err)
		return
	}
	w.Header().Set("Content-Type", contentType(key))
	w.Header().Set("Accept-Ranges", "bytes")
	if info.Size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(info.Size, 10))
	}
}

func (g *Gateway) get(w http.ResponseWriter, r *http.Request, key string) {
	offset, ranged := openRange(r.Header.Get("Range"))
	o := providers.GetOptions{Offset: offset}
	if strings.HasSuffix(key, ".narinfo") || key == cacheInfoKey {
		o.MaxBytes = maxNarinfo
	}
	obj, err := g.o.Objects.Get(r.Context(), key, o)
	if errors.Is(err, providers.ErrNotFound) && key == cacheInfoKey {
		w.Header().Set("Content-Type", contentType(key))
		_, _ = io.WriteString(w, cacheInfo)
		return
	}
	if err != nil {
		g.refuse(w, r, key, err)
		return
	}
	defer obj.Body.Close()
	if ranged && offset >= obj.Size {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", obj.Size))
		http.Error(w, "past the end", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.Header().Set("Content-Type", contentType(key))
	w.Header().Set("Accept-Ranges", "bytes")
	if obj.Size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(obj.Size-offset, 10))
	}
	if ranged {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, obj.Size-1, obj.Size))
		w.WriteHeader(http.StatusPartialContent)
	}
	g.stream(w, r, key, obj.Body)
}

// stream copies a body. A store that fails in the middle cuts the connection, because a
// body that merely ends early could pass for a whole one.
func (g *Gateway) stream(w io.Writer, r *http.Request, key string, body io.Reader) {
	src := &reader{r: body, count: func(n int) { g.sent.Add(int64(n)) }}
	_, _ = io.Copy(w, src)
	if src.err != nil {
		g.remember(r, key, src.err)
		panic(http.ErrAbortHandler)
	}
}

// reader keeps the store's error apart from the client's.
type reader struct {
	r     io.Reader
	count func(n int)
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.count(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// openRange reads "bytes=N-", how curl (so Nix) resumes a download. Other forms are
// served whole, as HTTP allows.
func openRange(header string) (offset int64, ranged bool) {
	first, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return 0, false
	}
	first, ok = strings.CutSuffix(first, "-")
	if !ok {
		return 0, false
	}
	offset, err := strconv.ParseInt(first, 10, 64)
	if err != nil || offset < 0 {
		return 0, false
	}
	return offset, true
}
