package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newTree makes the files, which hold their names, and the links ("link -> to")
// below a folder, which it returns without symbolic links.
func newTree(t *testing.T, names ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		name, target, isLink := strings.Cut(name, " -> ")
		at := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, at)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(at, 0o755)
		default:
			err = os.WriteFile(at, []byte(name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Catches a path that stands for more or fewer files than it says, among them
// hidden ones, those behind links, and a loop of links that never ends.
func TestListLocal(t *testing.T) {
	root := newTree(t,
		"a.json", "b.json", ".hidden.json", "a*.json", "x y%.json", "empty/",
		"2024/01/a.json", "2024/02/b.gz", "2024/.git/config", "2024/.x.json",
		"links/a -> ../a.json", "links/again -> ../a.json", "links/up -> ..", "links/self -> .", "links/months -> ../2024",
		"dangling/gone -> nowhere", "only/.hidden",
	)
	t.Chdir(root)
	tree := []string{"2024/01/a.json", "2024/02/b.gz"}
	tests := []struct {
		name  string
		paths []string
		want  []string
		err   string
	}{
		{name: "file", paths: []string{"a.json"}, want: []string{"a.json"}},
		{name: "absolute and relative, once", paths: []string{root + "/a.json", "./2024/../a.json", "a.json"}, want: []string{"a.json"}},
		{name: "folder", paths: []string{"2024"}, want: tree},
		{name: "folder with slash", paths: []string{"2024/"}, want: tree},
		{name: "hidden by name", paths: []string{".hidden.json", "2024/.git"}, want: []string{".hidden.json", "2024/.git/config"}},
		{name: "link", paths: []string{"links/a"}, want: []string{"a.json"}},
		{name: "loop of links", paths: []string{"links/up/2024", "links/self/a"}, want: append([]string{}, append(tree, "a.json")...)},
		{name: "folder of links", paths: []string{"links/months", "links/again"}, want: append([]string{}, append(tree, "a.json")...)},
		{name: "pattern", paths: []string{"[ab].json"}, want: []string{"a.json", "b.json"}},
		{name: "pattern of folders", paths: []string{"202?"}, want: tree},
		{name: "pattern of all folders", paths: []string{"2024/**/*.{json,gz}"}, want: tree},
		{name: "pattern without what is hidden", paths: []string{"2024/*"}, want: tree},
		{name: "hidden pattern", paths: []string{"2024/.*.json"}, want: []string{"2024/.x.json"}},
		{name: "a name that is a pattern", paths: []string{"a*.json"}, want: []string{"a*.json"}},
		{name: "url", paths: []string{"file://" + root + "/x%20y%25.json"}, want: []string{"x y%.json"}},
		{name: "url of a pattern", paths: []string{"file://" + root + "/2024/0[1]/*"}, want: tree[:1]},
		{name: "no file", paths: []string{"c.json"}, err: "list c.json: no such file or directory"},
		{name: "no match", paths: []string{"*.xml"}, err: "list *.xml: there is no such file"},
		{name: "empty folder", paths: []string{"empty"}, err: "list empty: there is no file in this folder"},
		{name: "only hidden", paths: []string{"only"}, err: "list only: there is no file in this folder"},
		{name: "dangling link", paths: []string{"dangling"}, err: "follow the link " + root + "/dangling/gone: no such file"},
		{name: "bad pattern", paths: []string{"[a"}, err: "list [a: syntax error in pattern"},
		{name: "device", paths: []string{"/dev/null"}, err: "list /dev/null: it is neither file nor folder"},
		{name: "empty path", paths: []string{""}, err: "a path is empty"},
		{name: "relative url", paths: []string{"file://a.json"}, err: "file:///path"},
		{name: "every error", paths: []string{"a.json", "c.json", "d.json"}, err: "list c.json: no such file or directory\nlist d.json: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found, err := newStore(t).List(context.Background(), test.paths)
			if test.err != "" {
				fails(t, err, test.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, name := range test.want {
				want = append(want, filepath.Join(root, name))
			}
			diff(t, want, locations(found))
			for _, f := range found {
				if info, err := os.Stat(f.Location); err != nil || info.Size() != f.Size || f.Version != "" {
					t.Errorf("%+v: %v", f, err)
				}
			}
		})
	}
}

// Catches a walk that goes round and round through links, or leaves out a
// folder because it was seen by another name.
func TestListLoop(t *testing.T) {
	root := newTree(t, "d/a", "d/one -> .", "d/two -> .", "d/up -> ..", "e/b", "e/d -> ../d")
	found, err := newStore(t).List(context.Background(), []string{root})
	if err != nil {
		t.Fatal(err)
	}
	diff(t, []string{root + "/d/a", root + "/e/b"}, locations(found))
}

// Catches a folder left out in silence because it cannot be read.
func TestListForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	root := newTree(t, "a", "secret/b")
	if err := os.Chmod(filepath.Join(root, "secret"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := newStore(t).List(context.Background(), []string{root})
	fails(t, err, root+"/secret", "permission denied")
}

// Catches ranges that are off, and a reader that outlives its context.
func TestOpenLocal(t *testing.T) {
	f := one(t, newStore(t), newTree(t, "0123456789")+"/0123456789")
	s := newStore(t)
	for _, test := range []struct {
		offset, length int64
		want           string
	}{{0, -1, "0123456789"}, {3, -1, "3456789"}, {3, 2, "34"}, {8, 100, "89"}, {10, -1, ""}, {20, 5, ""}, {2, 0, ""}} {
		got, err := readAll(t, s, f, test.offset, test.length)
		if string(got) != test.want || err != nil {
			t.Errorf("from %d, %d bytes: %q, %v", test.offset, test.length, got, err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r, err := s.Open(ctx, f, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	cancel(errors.New("enough"))
	if _, err := r.Read(make([]byte, 1)); err == nil || err.Error() != "read "+f.Location+": enough" {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	_, err = s.Open(context.Background(), File{Location: "/nowhere/a"}, 0, -1)
	fails(t, err, "open /nowhere/a")
}
