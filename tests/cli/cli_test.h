// Runs the cim command and keeps its output.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/environment.h"
#include "support/temporary_directory.h"

namespace cim::cli {

using test::Environment;

struct Result {
  int status = -1;  // the exit status, or -1 for a signal
  std::string out;
  std::string err;
};

class CliTest : public testing::Test {
 protected:
  CliTest();
  ~CliTest() override;  // unmounts mnt

  // Runs cim, the program named by the environment variable CIM, in directory().
  Result cim(const std::vector<std::string>& arguments) const;

  // The same without the rights of root.
  Result cim_as_nobody(const std::vector<std::string>& arguments) const;

  // Runs cim and expects success, with nothing on standard error. Returns its output.
  std::string succeed(const std::vector<std::string>& arguments) const;

  // Runs cim and expects exit status 1, nothing printed and one line on standard error. Returns
  // that line.
  std::string fail(const std::vector<std::string>& arguments) const;

  // Whether images can be mounted here.
  static bool can_mount();

  std::string directory() const { return directory_.string(); }
  std::string path(const std::string& name) const { return directory_ / name; }
  void write(const std::string& name, const std::string& content) const;
  std::string read(const std::string& name) const;

  // Creates app.cim from two files: `small` of one byte, `large` of 100,000.
  void create_sample() const;

  // The path of the region file of `image` whose type `cim info` calls `type`.
  std::string region(const std::string& type, const std::string& image = "app.cim") const;

  // The names of the files in directory(), without directories.
  std::set<std::string> files() const;

  // The contents of all these files, concatenated.
  std::string all_contents() const;

 private:
  const test::TemporaryDirectory directory_;
};

}  // namespace cim::cli
