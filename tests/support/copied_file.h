// Copies of files.
#pragma once

#include <fstream>
#include <ios>
#include <string>

#include <gtest/gtest.h>

namespace cim::test {

// Copies the content of `from` to a new file. Unlike copy_file() of Boost 1.74, also to another
// file system.
inline void copy_content(const std::string& from, const std::string& to) {
  std::ofstream copy(to, std::ios::binary);
  copy << std::ifstream(from, std::ios::binary).rdbuf();
  EXPECT_TRUE(copy.flush()) << from << " to " << to;
}

}  // namespace cim::test
