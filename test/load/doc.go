// Package load asks services as many clients at once would, and tells the truth about what
// they got: every request that fails in any way is a failure, for nothing is asked twice.
//
// Go's own client hides much of what happens to a service. It sends a GET again when a kept
// connection turns out to be dead, and opens a new one without a word. So each worker here
// holds one connection of its own, on which a request works or fails; only a goodbye that the
// protocol knows (Connection: close, GOAWAY) is no failure.
//
// What a target must speak is what the test program of package closure speaks: X-Release on
// every answer, /echo, /slow, /ws, /download.
package load
