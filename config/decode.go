package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/sethvargo/go-envconfig"
)

// decode fills target's fields that carry an env tag and returns what could
// not be read. The library ends at the first error, so it is given one field
// at a time.
func decode(target any, l envconfig.Lookuper) []problem {
	var problems []problem
	for name, field := range variables(target) {
		v := reflect.ValueOf(target).Elem().FieldByIndex(field.Index)
		one := reflect.New(reflect.StructOf([]reflect.StructField{{Name: field.Name, Type: field.Type, Tag: field.Tag}}))
		err := envconfig.ProcessWith(context.Background(), &envconfig.Config{Target: one.Interface(), Lookuper: l})
		if err == nil {
			v.Set(one.Elem().Field(0))
			continue
		}
		value, _ := l.Lookup(name)
		text := fmt.Sprintf("%q is not %s", value, wanted(field.Type))
		if secret(field) {
			text = "is not " + wanted(field.Type)
		}
		problems = append(problems, problem{name, text})
	}
	return problems
}

// list returns the settings of target with where they came from.
func list(target any, src *source) []Setting {
	var settings []Setting
	for name, field := range variables(target) {
		v := reflect.ValueOf(target).Elem().FieldByIndex(field.Index)
		s := Setting{Name: name, Value: shown(v.Interface()), Origin: src.origin(name)}
		if secret(field) {
			s.Value = "(set)"
			if s.Origin == FromDefault {
				s.Value = ""
			}
		}
		settings = append(settings, s)
	}
	return settings
}

// variables yields target's fields that a variable fills, by its name.
func variables(target any) func(yield func(string, reflect.StructField) bool) {
	return func(yield func(string, reflect.StructField) bool) {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(target).Elem()) {
			name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
			if name != "" && !yield(name, f) {
				return
			}
		}
	}
}

// secret says that a field's value must never be shown.
func secret(f reflect.StructField) bool { return f.Tag.Get("secret") == "true" }

// wanted says in words what a value of the type looks like.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 250ms or 9s"
	case reflect.TypeFor[Size]():
		return "a size such as 1048576, 1MiB or 1MB"
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[int]():
		return "a whole number"
	default:
		return "a " + t.String()
	}
}

// A problem is what is wrong with one variable.
type problem struct{ name, text string }

// joined makes one error of the problems, in the order of the settings.
func joined(problems []problem) error {
	var errs []error
	for name := range variables(&Config{}) {
		for _, p := range problems {
			if p.name == name {
				errs = append(errs, fmt.Errorf("%s: %s", p.name, p.text))
			}
		}
	}
	return errors.Join(errs...)
}
