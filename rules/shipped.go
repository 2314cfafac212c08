// Package shipped holds the rule files that breakwater comes with.
package shipped

import "embed"

// Files has default.toml and example.org.toml.
//
//go:embed *.toml
var Files embed.FS
