// Package tell puts what a host knows into sentences for people: spans of time, holds, and
// above all why a service is as it is. Everything in it is pure: facts and the time in,
// words out. Who reads them may have been woken up by them, and know nothing of the service.
package tell
