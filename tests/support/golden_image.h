// Images whose every byte is known, so that no change in what is written goes unnoticed.
#pragma once

#include <map>
#include <string>

#include <cim/image.h>
#include <gtest/gtest.h>

#include "support/digest.h"
#include "support/same_files.h"

namespace cim::test {

// SHA-256 of the files of an image: "image" is the filesystem file; "region_0", "objectid_0" and
// so on are those of its last region set.
using GoldenDigests = std::map<std::string, std::string>;

inline GoldenDigests digests_of(const std::string& directory, const std::string& image) {
  const auto digest = [&](const std::string& name) {
    return hex_digest(bytes_of_file(directory + "/" + name), EVP_sha256());
  };
  GoldenDigests digests = {{"image", digest(image)}};
  const std::string id = "_" + Image(directory + "/" + image).region_sets().back().id;
  for (const std::string& name : names_in(directory)) {
    const std::size_t position = name.find(id);
    if (position == std::string::npos) continue;
    digests[name.substr(0, position) + name.substr(position + id.size())] = digest(name);
  }
  return digests;
}

// A failure names the files that differ, and prints the new digests for the test.
inline void expect_golden(const GoldenDigests& expected, const GoldenDigests& actual) {
  if (expected == actual) return;
  std::string differing;
  std::string renewed;
  for (const auto& [name, digest] : expected) {
    if (!actual.contains(name)) differing += " " + name + " (missing)";
  }
  for (const auto& [name, digest] : actual) {
    const auto found = expected.find(name);
    if (found == expected.end()) differing += " " + name + " (new)";
    if (found != expected.end() && found->second != digest) differing += " " + name;
    renewed += "      {\"" + name + "\", \"" + digest + "\"},\n";
  }
  ADD_FAILURE() << "The bytes of an image have changed. Files that differ:" << differing
                << "\nIf that is intended, say so in the commit, and put these into the test:\n"
                << renewed;
}

}  // namespace cim::test
