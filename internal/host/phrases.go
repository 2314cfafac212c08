package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"breakwater/internal/phrases"
	"breakwater/internal/tomlfile"
)

// phraseFolder holds the phrase files that a site adds. It is beside the folder of the rules.
const phraseFolder = "phrases.d"

// phraseFiles returns the phrase files of a site, and their folder.
func phraseFiles(rules string) (folder fs.FS, names []string, err error) {
	folder = os.DirFS(filepath.Join(filepath.Dir(filepath.Clean(rules)), phraseFolder))
	names, err = fs.Glob(folder, "*.toml")
	return folder, names, err
}

// AddPhrases adds the phrases of the site. It leaves out a file with an error, and says so on errs.
func AddPhrases(rules string, errs io.Writer) {
	folder, names, err := phraseFiles(rules)
	for _, name := range names {
		err = errors.Join(err, phrases.Add(folder, name))
	}
	if err != nil {
		fmt.Fprintf(errs, "breakwater: read phrases beside %s; a file with an error is left out:\n%v\n", rules, err)
	}
}

// CheckPhrases returns the errors in the phrase files of the site.
func CheckPhrases(rules string) (wrong []*tomlfile.Error, err error) {
	folder, names, err := phraseFiles(rules)
	for _, name := range names {
		inFile, rest := tomlfile.Errors(phrases.Check(folder, name))
		for _, e := range inFile {
			e.File = filepath.Join("..", phraseFolder, e.File)
		}
		wrong, err = append(wrong, inFile...), errors.Join(err, rest)
	}
	return wrong, err
}
