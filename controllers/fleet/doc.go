// Package fleet reads the reports of all hosts and says what they mean: for people, which
// service is where and how it is doing (Judge), and for a host, whether the others let it
// start a release (Admit). Both are pure; a Reader fetches what they look at.
//
//	status/<host>.json ─► Reader ─► []Said ───┬─ with the manifest ─► Judge ─► View
//	                                          └─ with a revision ───► Admit ─► go on, or why not
//
// A report is what a host said of itself, and when. It may be old, damaged or missing: then
// the answer is "unknown", never "well".
package fleet
