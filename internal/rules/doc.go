// Package rules reads per-domain rule files and decides by them.
package rules
