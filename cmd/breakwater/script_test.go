package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	shipped "breakwater/rules"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"breakwater": main}) }

// TestScripts runs the command line as testdata/*.txt have it. Each script begins in a folder
// with the shipped rules in rules/.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			return os.CopyFS(e.WorkDir+"/rules", shipped.Files)
		},
	})
}
