// A directory for one test.
#pragma once

#include <string>

#include <boost/filesystem.hpp>

namespace cim::test {

// Created empty, and removed with its contents when destroyed.
class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_(boost::filesystem::temp_directory_path() /
              boost::filesystem::unique_path("cimfs-test-%%%%-%%%%-%%%%")) {
    boost::filesystem::create_directory(path_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    boost::system::error_code ignored;
    boost::filesystem::remove_all(path_, ignored);
  }

  const boost::filesystem::path& path() const noexcept { return path_; }
  std::string string() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  boost::filesystem::path path_;
};

}  // namespace cim::test
