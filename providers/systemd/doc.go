// Package systemd keeps the units of services: it renders them, installs them with their
// links, starts and stops them, and tells what they are doing.
//
// It talks to PID 1 over its private socket, which works without dbus-daemon, and trusts
// nothing that it can look at: files and links are read by itself (systemd's own
// NeedDaemonReload misses a new drop-in directory), and after each install the loaded
// properties are compared with the rendered text (systemd drops a line that it does not
// understand and loads the rest).
//
// A unit is ours when its link points into our services directory or when its first line
// carries our mark. Any other unit of that name is foreign and never touched.
package systemd
