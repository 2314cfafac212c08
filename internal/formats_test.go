package internal

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	layoutIn = regexp.MustCompile(`Name:\s+"(breakwater [a-z ]+)", Version: (\S+), Oldest: (\S+?)[,}]`)
	codecIn  = regexp.MustCompile(`(CodecVersion|CodecOldest) +?= (\d+)`)
)

// TestFormatsPage: the page has all formats that the code has, and the versions that are read of each.
func TestFormatsPage(t *testing.T) {
	page, err := os.ReadFile("formats.go")
	if err != nil {
		t.Fatal(err)
	}
	codec, err := os.ReadFile("storm/codec.go")
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]int{}
	for _, m := range codecIn.FindAllStringSubmatch(string(codec), -1) {
		numbers["storm."+m[1]], _ = strconv.Atoi(m[2])
	}
	number := func(text string) int {
		if n, ok := numbers[text]; ok {
			return n
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	found := 0
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range layoutIn.FindAllStringSubmatch(string(text), -1) {
			found++
			var versions []string
			for n := number(m[3]); n <= number(m[2]); n++ {
				versions = append(versions, strconv.Itoa(n))
			}
			line := regexp.MustCompile(fmt.Sprintf(`(?m)^//\t\S+ +%s +%s(:.*)?$`, m[1], strings.Join(versions, ", ")))
			if !line.Match(page) {
				t.Errorf("%s: the page has no line for %s, of which %v are read", path, m[1], versions)
			}
		}
		return err
	})
	if err != nil || found != 7 {
		t.Errorf("%d formats, %v; is one written in another way?", found, err)
	}
}
