package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// localFiles returns the files that a path on this machine names, perhaps none.
func localFiles(ctx context.Context, path string) ([]File, error) {
	name, err := localPath(path)
	if err != nil {
		return nil, err
	}
	found, err := named(ctx, name)
	if !errors.Is(err, fs.ErrNotExist) || !strings.ContainsAny(name, `*?[{`) {
		return found, listing(path, err)
	}
	matches, err := doublestar.FilepathGlob(name, doublestar.WithNoHidden(), doublestar.WithFailOnIOErrors())
	for i := 0; err == nil && i < len(matches); i++ {
		var more []File
		more, err = named(ctx, matches[i])
		found = append(found, more...)
	}
	if len(matches) > 0 && len(found) == 0 && err == nil {
		err = errors.New("there is no file in what it matches")
	}
	return found, listing(path, err)
}

// localPath returns the path as the system takes it.
func localPath(path string) (string, error) {
	rest, isURL := strings.CutPrefix(path, fileScheme)
	switch {
	case path == "":
		return "", errors.New("list: a path is empty")
	case !isURL:
		return path, nil
	case !strings.HasPrefix(rest, "/"):
		return "", fmt.Errorf("%s: file:// wants an absolute path: file:///path", path)
	}
	name, err := url.PathUnescape(rest)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return filepath.FromSlash(name), nil
}

func listing(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("list %s: %w", path, err)
}

// named returns the file, or those in the folder, that has exactly this name.
func named(ctx context.Context, name string) ([]File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, cause(err)
	}
	location, err := filepath.Abs(name)
	if err == nil {
		location, err = filepath.EvalSymlinks(location)
	}
	switch {
	case err != nil:
		return nil, cause(err)
	case info.Mode().IsRegular():
		return []File{{Location: location, Size: info.Size()}}, nil
	case !info.IsDir():
		return nil, fmt.Errorf("it is neither file nor folder; what comes through a pipe is read as %q, standard input", Stdin)
	}
	found, err := folder(ctx, location, []fs.FileInfo{info}, nil)
	if err == nil && len(found) == 0 {
		err = errors.New("there is no file in this folder")
	}
	return found, err
}

// folder appends the files in the folder at a location without symbolic links,
// and below it. Within are that folder and those it was reached through, so
// that a link to one of them is not followed round and round.
func folder(ctx context.Context, location string, within []fs.FileInfo, found []File) ([]File, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	entries, err := os.ReadDir(location)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		at := filepath.Join(location, entry.Name())
		if entry.Type()&fs.ModeSymlink != 0 {
			if at, err = filepath.EvalSymlinks(at); err != nil {
				return nil, fmt.Errorf("follow the link %s: %w", filepath.Join(location, entry.Name()), cause(err))
			}
		}
		info, err := os.Stat(at)
		switch {
		case err != nil:
			return nil, err
		case info.Mode().IsRegular():
			found = append(found, File{Location: at, Size: info.Size()})
		case info.IsDir() && !among(within, info):
			if found, err = folder(ctx, at, append(within[:len(within):len(within)], info), found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func among(folders []fs.FileInfo, one fs.FileInfo) bool {
	for _, f := range folders {
		if os.SameFile(f, one) {
			return true
		}
	}
	return false
}

// cause takes off operation and path where the caller names them.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
