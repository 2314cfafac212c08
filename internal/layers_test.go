package internal

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// layers says what of this module each package may import. Do not change it to fix a build;
// think again about where the code belongs.
var layers = map[string]string{
	"internal/phrases":           "tomlfile",
	"internal/address":           "",
	"internal/message":           "address phrases",
	"internal/tomlfile":          "",
	"internal/tomlfile/tomltest": "",
	"internal/report":            "address phrases message",
	"internal/classify":          "address phrases message report",
	"internal/storm":             "wire",
	"internal/fingerprint":       "address message report classify storm seal notes",
	"internal/store":             "storm notes",
	"internal/origin":            "address message report classify seal",
	"internal/rules":             "address message classify storm origin tomlfile",
	"internal/scenario":          "message rules tomlfile",
	"internal/mark":              "message seal",
	"internal/flood":             "address phrases message report classify storm notes fingerprint origin",
	"internal/engine":            "address message classify storm fingerprint origin flood store rules mark notes sent texts",
	"internal/owned":             "",
	"internal/archive":           "owned format",
	"internal/ledger":            "owned format",
	"internal/incident":          "message storm owned format",
	"internal/evidence":          "incident ledger",
	"internal/record":            "address archive classify fingerprint incident ledger message origin owned rules storm",
	"internal/release":           "address message storm mark archive submit fingerprint tomlfile",
	"internal/milterd":           "address message rules origin",
	"internal/milterd/client":    "message",
	"internal/control":           "incident storm store store/remote socket",
	"internal/config":            "origin rules tomlfile",
	"internal/mailfile":          "message",
	"internal/replay":            "address message mailfile archive fingerprint rules engine show",
	"internal/digest":            "address archive rules mark tomlfile owned format storm",
	"internal/setup":             "owned",
	"internal/submit":            "",
	"internal/sweep":             "message storm store rules engine owned sweep/session format digest notes",
	"internal/sweep/session":     "",
	"internal/store/badgerdb":    "storm store format notes owned",
	"internal/store/remote":      "storm store socket notes",
	"internal/store/storetest":   "storm store notes",
	"internal/stormgen":          "address message",
	"internal/lab":               "address message rules milterd stormgen",
	"internal":                   "",
	"rules":                      "",
	"cmd/breakwater":             "*",
	"internal/format":            "owned",
	"internal/format/formattest": "format",
	"internal/seal":              "",
	"internal/socket":            "",
	"internal/show":              "",
	"internal/golden":            "",
	"internal/explain":           "message storm rules engine tomlfile show",
	"internal/trial":             "fingerprint origin rules scenario engine store/badgerdb config tomlfile",
	"internal/host":              "address format phrases storm fingerprint origin store rules engine owned config store/remote tomlfile notes sent",
	"internal/daemon":            "record incident address message report classify storm fingerprint origin rules mark engine owned archive milterd control config digest submit store/badgerdb host show socket sent",
	"internal/demo":              "record stormgen archive milterd milterd/client control daemon host show",
	"internal/sweep/accounts":    "address fingerprint rules engine store store/remote config sweep sweep/session host",
	"internal/tools/keeper":      "",
	"internal/tools/accuracy":    "address show message report classify mailfile storm fingerprint origin stormgen notes",
	"internal/tools/bench":       "message rules milterd milterd/client stormgen",
	"internal/wire":              "",
	"internal/notes":             "storm wire",
	"internal/sent":              "address storm notes store fingerprint origin",
	"internal/texts":             "storm notes store fingerprint",
}

// pure packages see no network, files, log or clock.
var pure = []string{
	"internal/address", "internal/phrases", "internal/message", "internal/tomlfile", "internal/seal", "internal/wire", "internal/report", "internal/classify", "internal/storm",
	"internal/notes", "internal/fingerprint", "internal/mark", "internal/origin", "internal/store", "internal/sent", "internal/texts", "internal/flood", "internal/rules", "internal/scenario", "internal/engine",
	"internal/stormgen",
}

// impure is what they must not import.
var impure = []string{"net", "os", "log", "log/slog", "syscall", "net/http", "os/exec", "math/rand"}

// homes of modules that one room alone knows.
var homes = map[string][]string{
	"github.com/emersion/go-milter":       {"internal/milterd", "internal/milterd/client"},
	"github.com/emersion/go-smtp":         {"internal/submit"},
	"github.com/emersion/go-imap":         {"internal/sweep/session"},
	"github.com/jhillyerd/enmime":         {"internal/message"},
	"github.com/dgraph-io/badger":         {"internal/store/badgerdb"},
	"github.com/pelletier/go-toml":        {"internal/tomlfile", "internal/tomlfile/tomltest"},
	"github.com/klauspost/compress":       {"internal/archive"},
	"github.com/spf13/cobra":              {"cmd/breakwater"},
	"github.com/expr-lang/expr":           {"internal/rules"},
	"github.com/prometheus/client_golang": {"internal/daemon"},
	"golang.org/x/mod":                    {"internal/ledger"},
}

const module = "breakwater/"

func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, imports, _ := strings.Cut(strings.TrimSpace(line), ":")
		pkg = strings.TrimPrefix(pkg, module)
		may, known := layers[pkg]
		if !known {
			t.Errorf("%s is not in the table of layers", pkg)
		}
		for imp := range strings.FieldsSeq(imports) {
			if own, ok := strings.CutPrefix(imp, module); ok {
				if may != "*" && !slices.Contains(strings.Fields(may), strings.TrimPrefix(own, "internal/")) {
					t.Errorf("%s imports %s, which its layer may not", pkg, own)
				}
				continue
			}
			if slices.Contains(pure, pkg) && slices.Contains(impure, imp) {
				t.Errorf("%s is pure and imports %s", pkg, imp)
			}
			for mod, rooms := range homes {
				if strings.HasPrefix(imp+"/", mod+"/") && !slices.Contains(rooms, pkg) {
					t.Errorf("%s imports %s, which belongs to %v", pkg, imp, rooms)
				}
			}
		}
	}
}

var clock = regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|NewTimer|NewTicker)\(`)

// TestNoClock looks for calls of the clock in pure packages.
func TestNoClock(t *testing.T) {
	for _, pkg := range pure {
		files, err := filepath.Glob("../" + pkg + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files: %v", pkg, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if call := clock.Find(b); call != nil && !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s is pure and calls %s", name, call)
			}
		}
	}
}

var splits = regexp.MustCompile(`\.(Cut|CutPrefix|CutSuffix|Index|IndexByte|IndexRune|LastIndex|LastIndexByte|Split|SplitN|TrimSuffix|TrimPrefix|Contains|ContainsRune|HasPrefix|HasSuffix|FieldsFunc)\([^()]*["']@["']`)

// TestAddresses looks for packages that take addresses apart themselves.
func TestAddresses(t *testing.T) {
	err := filepath.WalkDir("..", func(name string, e os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, filepath.Join("..", "internal", "address")) {
			return err
		}
		text, err := os.ReadFile(name)
		for n, line := range strings.Split(string(text), "\n") {
			if splits.MatchString(line) {
				t.Errorf("%s:%d: %s; package address does that", name, n+1, strings.TrimSpace(line))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
