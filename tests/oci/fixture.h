// Imports container images into a directory.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "layout.h"
#include "oci/container_image.h"
#include "oci/files.h"
#include "support/temporary_directory.h"
#include "transfer/progress.h"

namespace cim::oci {

class OciTest : public testing::Test {
 protected:
  // Imports `layout`, from the directory "layout", as the image `name`.
  void import(const Layout& layout, const std::string& name = "app.cim", const Choice& choice = {});

  // The words of the Error with which import() fails, which must leave nothing behind.
  std::string failure(const Layout& layout, const Choice& choice = {});

  // The same for an archive with these bytes, read from a pipe if `from_pipe`.
  void import_archive(const std::string& bytes, const Choice& choice = {}, bool from_pipe = false);
  std::string archive_failure(const std::string& bytes, const Choice& choice = {});

  // The content of a file of an image.
  std::string read(const std::string& path, const std::string& image = "app.cim") const;

  // The names of all files next to the images.
  std::vector<std::string> files() const;

  std::string path(const std::string& name) const { return images_ / name; }

 private:
  void import(const Files& files, const std::string& name, const Choice& choice);

  const test::TemporaryDirectory images_;
  const test::TemporaryDirectory source_;
};

inline Choice tagged(const std::string& tag) { return {.tag = tag, .platform = {}}; }
inline Choice for_platform(const std::string& platform) {
  return {.tag = {}, .platform = parse_platform(platform)};
}

}  // namespace cim::oci
