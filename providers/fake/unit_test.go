package fake

import (
	"reflect"
	"testing"

	v1 "deployer/api/v1"
)

// A field that is added to Release must be thought of here.
func TestEveryFieldOfAReleaseCountsInTheUnitButThoseBehindThePointer(t *testing.T) {
	behind := map[string]bool{"StorePath": true, "NarHash": true, "Env": true, "EnvFile": true, "Attempt": true}
	var walk func(path string, pick func(*v1.Release) reflect.Value)
	walk = func(path string, pick func(*v1.Release) reflect.Value) {
		var a, b v1.Release
		v := pick(&b)
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				walk(path+v.Type().Field(i).Name, func(r *v1.Release) reflect.Value { return pick(r).Field(i) })
			}
			return
		}
		v.Set(other(v))
		if same := sameText(&a, &b); same != behind[path] {
			t.Errorf("%s: sameText is %v", path, same)
		}
	}
	walk("", func(r *v1.Release) reflect.Value { return reflect.ValueOf(r).Elem() })
}

// other is a value that is not the zero value.
func other(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf("x").Convert(v.Type())
	case reflect.Slice:
		return reflect.MakeSlice(v.Type(), 1, 1)
	case reflect.Map:
		return reflect.MakeMap(v.Type())
	case reflect.Pointer:
		return reflect.New(v.Type().Elem())
	}
	return reflect.ValueOf(1).Convert(v.Type())
}
