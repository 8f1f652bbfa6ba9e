package main

import (
	"errors"
	"reflect"
	"testing"

	"deployer/test/load"
)

func TestTargets(t *testing.T) {
	o, err := options([]string{"--address", "10.0.0.1", "--for", "2s", "a=a.example.com,get:2,websocket:1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []load.Target{{Name: "a", Host: "a.example.com", Mix: load.Mix{load.Get: 2, load.WebSocket: 1}}}
	if !reflect.DeepEqual(o.Targets, want) || o.For.String() != "2s" || o.TLS != nil {
		t.Errorf("got %+v", o)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, args := range [][]string{
		{"a=a.example.com,get:2"},
		{"--address", "10.0.0.1", "a=a.example.com,get"},
		{"--address", "10.0.0.1", "--four", "2s"},
	} {
		if _, err := options(args); !errors.Is(err, errUsage) {
			t.Errorf("%v: got %v", args, err)
		}
	}
	if _, err := options([]string{"--address", "10.0.0.1", "--ca", "/nowhere"}); err == nil {
		t.Error("a CA that is not there was taken")
	}
}
