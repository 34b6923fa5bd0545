// The page of `cim du --html`: a map of an image's tree, for a browser.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/disk_usage.h"

namespace cim::cli {

// Collects a tree on a walk, and makes one page of it that needs nothing else.
class DiskUsagePage {
 public:
  // What has fewer than `min_size` bytes is not shown by itself, but together with its like in the
  // same directory.
  explicit DiskUsagePage(std::uint64_t min_size) : min_size_(min_size) {}

  // The steps of a walk that starts by entering the root, which has no name. Each directory's usage
  // is that of what is added until it is left.
  void enter(const std::string& name) { levels_.push_back({.name = name}); }
  void add_file(const std::string& name, const Usage& usage);
  void leave();

  // The page, once the root has been left. `image` is its title.
  std::string html(const std::string& image) const;

 private:
  struct Directory {
    std::string name;
    Usage usage = {};
    std::uint64_t files = 0;
    std::string children = {};  // JSON
    Usage small = {};           // of the children that are not shown by themselves
    std::uint64_t small_files = 0;
  };

  void add(Directory& parent, const std::string& json, const Usage& usage, std::uint64_t files);

  const std::uint64_t min_size_;
  std::vector<Directory> levels_;  // those that the walk is in
  bool merged_ = false;
  std::string root_;  // JSON
};

}  // namespace cim::cli
