// Trees on disk, made and compared in tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <cim/writer.h>

#include "transfer/progress.h"

namespace cim::transfer {

// Creates the file `path` with `content`.
void write_file(const std::string& path, const std::string& content);

// The contents of the file `path`, or "(none)".
std::string read_file(const std::string& path);

// The results of lstat(2), readlink(2), read(2) and getxattr(2) for every file below `directory`,
// by relative path, "" for `directory` itself. Times are rounded down to the 100 ns that an image
// keeps; files with several links name the first of them.
std::map<std::string, std::string> snapshot(const std::string& directory);

// Records everything it is told.
struct RecordingProgress : Progress {
  void advance(const Amount& step) override {
    done.files += step.files;
    done.bytes += step.bytes;
  }
  void warn(const std::string& message) override { warnings.push_back(message); }
  void note(const std::string& message) override { notes.push_back(message); }

  Amount done;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
};

// The options of a Writer for the new image `directory`/`name`.
Writer::Options new_image(const std::string& directory, const std::string& name);

// Makes the image `name` in `directory` from the tree `source`; returns its path.
std::string make_image(const std::string& directory, const std::string& name,
                       const std::string& source);

// Creates `path` in an image, with an alternate stream `fits`, which is an extended attribute on
// Linux, and three that cannot be one: `large`, `taken` by an attribute, and a long_stream_name.
// Each contains its name, then `content`.
void put_with_streams(Writer& writer, std::u16string_view path, const std::string& content);

inline const std::string long_stream_name(255, 'n');

}  // namespace cim::transfer
