// Shell patterns for files. May be called from many threads at once.
#pragma once

#include <string>
#include <vector>

#include <cim/image.h>

namespace cim::transfer {

// Whether `patterns` leave out the file at `path`, relative to the root of the source or image. A
// pattern (fnmatch(3), `*` and `?` also match a `/`) that matches the path, or the part after any
// `/` in it, leaves out that file or directory with everything below it. So `*.o` and `.git` match
// anywhere, `src/*.o` below any `src`. Does not check the directories above it.
bool is_excluded(const std::vector<std::string>& patterns, const std::string& path);

// The patterns in the file `path`, one per line. Skips empty lines and lines that start with `#`;
// `\#` starts a pattern with a `#`. Throws Error with the errno of the failed call.
std::vector<std::string> read_patterns(const std::string& path);

// What `paths` mean in `image`, as paths of the image (see cim/name.h): a path without `*`, `?` and
// `[`, or of an existing file, itself; any other stands for all files that it matches as a pattern
// of is_excluded(). Throws Error (file_not_found) for a pattern that matches none.
std::vector<std::u16string> expand_paths(const Image& image, const std::vector<std::string>& paths);

}  // namespace cim::transfer
