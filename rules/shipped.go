// Package shipped holds the rule files that breakwater comes with.
package shipped

import "embed"

// Files has default.toml and example.org.toml, and in tests what they are to do.
//
//go:embed *.toml schema.json tests/*
var Files embed.FS
