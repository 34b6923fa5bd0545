// Compares directories of files.
#pragma once

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace cim::test {

inline std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

inline std::string bytes_of_file(const std::string& path) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.read(bytes.data(), std::ssize(bytes))) << path;
  return bytes;
}

// Expects the directories to have the same files, at least one.
inline void expect_same_files(const std::string& a, const std::string& b) {
  const std::set<std::string> names = names_in(a);
  EXPECT_FALSE(names.empty()) << a;
  ASSERT_EQ(names, names_in(b));
  for (const std::string& name : names) {
    EXPECT_TRUE(bytes_of_file(a + "/" + name) == bytes_of_file(b + "/" + name)) << name;
  }
}

}  // namespace cim::test
