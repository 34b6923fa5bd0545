// The security descriptors that cim gives to files.
#include "format/security_descriptor.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cim/writer.h>
#include <gmock/gmock.h>

#include "cli_test.h"
#include "support/image_content.h"

namespace cim::cli {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

// A descriptor that says less than any of cim's: it has no DACL at all.
constexpr std::array<std::uint8_t, 20> own_descriptor = {0x01, 0x00, 0x00, 0x80};

class SecurityDescriptors : public CliTest {
 protected:
  // Makes app.cim: `d` and its `own` and `kept` with descriptors of their own, `d/none` without.
  void create_base() const {
    Writer::Options options;
    options.directory = directory();
    options.name = "app.cim";
    Writer writer(options);
    const Metadata own = {.security_descriptor = std::as_bytes(std::span(own_descriptor))};
    writer.create_directory(u"d", own);
    test::put(writer, u"d\\own", "", own);
    test::put(writer, u"d\\kept", "", own);
    test::put(writer, u"d\\none", "");
    writer.commit();
  }

  // The descriptor of each file of app.cim, the root directory as ".": "open", "own" or "none".
  std::map<std::string, std::string> descriptors() const {
    const Image image(path("app.cim"));
    std::map<std::string, std::string> found;
    collect(image, image.root(), ".", found);
    return found;
  }

  // The number of different descriptors stored in app.cim.
  std::size_t stored_descriptors() const {
    const Image image(path("app.cim"));
    std::set<std::uint64_t> offsets;
    for (FileId id = 1; id <= image.file_id_limit(); ++id) {
      offsets.insert(image.file(id).security_descriptor_offset);
    }
    return offsets.size();
  }

 private:
  static void collect(const Image& image, FileId id, const std::string& path,
                      std::map<std::string, std::string>& found) {
    const File file = image.file(id);
    found[path] = kind_of(image.security_descriptor(file));
    if (!file.is_directory()) return;
    const Directory entries = image.entries(file);
    EntryName name;
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      const FileId child = image.entry(entries, i, name);
      collect(image, child, path + "/" + image_to_linux_name(name.view()), found);
    }
  }

  static std::string kind_of(ByteView descriptor) {
    if (descriptor.empty()) return "none";
    const auto is = [&](ByteView other) { return std::ranges::equal(descriptor, other); };
    if (is(std::as_bytes(std::span(format::open_security_descriptor)))) return "open";
    return is(std::as_bytes(std::span(own_descriptor))) ? "own" : "another";
  }
};

TEST_F(SecurityDescriptors, CreateGivesAllFilesOne) {
  write("src/d/file", "");
  boost::filesystem::create_symlink("file", path("src/link"));
  succeed({"create", "app.cim", "src"});
  EXPECT_THAT(descriptors(),
              UnorderedElementsAre(Pair(".", "open"), Pair("./d", "open"), Pair("./d/file", "open"),
                                   Pair("./link", "open")));
  EXPECT_EQ(stored_descriptors(), 1U);
}

TEST_F(SecurityDescriptors, CreateGivesTheRootOfAnEmptyImageOne) {
  succeed({"create", "app.cim"});
  EXPECT_THAT(descriptors(), UnorderedElementsAre(Pair(".", "open")));
}

// An archive need not contain the directories that its members are in.
TEST_F(SecurityDescriptors, CreateFromAnArchiveGivesAllFilesOne) {
  write("src/d/file", "");
  ASSERT_EQ(std::system(("tar -C " + path("src") + " -cf " + path("src.tar") + " d/file").c_str()),
            0);
  succeed({"create", "app.cim", "--tar", path("src.tar")});
  EXPECT_THAT(descriptors(), UnorderedElementsAre(Pair(".", "open"), Pair("./d", "open"),
                                                  Pair("./d/file", "open")));
  EXPECT_EQ(stored_descriptors(), 1U);
}

TEST_F(SecurityDescriptors, WhatIsReplacedPassesItsOwnOn) {
  create_base();
  boost::filesystem::rename(path("app.cim"), path("base.cim"));
  for (const char* name : {"own", "none", "new"}) write(std::string("src/d/") + name, "x");
  ASSERT_EQ(std::system(("tar -C " + path("src") + " -cf " + path("src.tar") + " .").c_str()), 0);
  for (const std::vector<std::string>& source :
       {std::vector<std::string>{"src"}, {"--tar", "src.tar"}}) {
    std::vector<std::string> command = {"create", "--force", "app.cim", "--from", "base.cim"};
    command.insert(command.end(), source.begin(), source.end());
    succeed(command);
    EXPECT_THAT(descriptors(),
                UnorderedElementsAre(Pair(".", "open"), Pair("./d", "own"), Pair("./d/own", "own"),
                                     Pair("./d/kept", "own"), Pair("./d/none", "open"),
                                     Pair("./d/new", "open")));
  }
}

TEST_F(SecurityDescriptors, AddGivesOneToWhatItMakes) {
  create_base();
  write("file", "x");
  for (const char* name : {"d/own", "d/none", "new/dir/file"}) {
    succeed({"add", "app.cim", "file", name});
  }
  EXPECT_THAT(
      descriptors(),
      UnorderedElementsAre(Pair(".", "none"), Pair("./d", "own"), Pair("./d/own", "own"),
                           Pair("./d/kept", "own"), Pair("./d/none", "open"), Pair("./new", "open"),
                           Pair("./new/dir", "open"), Pair("./new/dir/file", "open")));
}

}  // namespace
}  // namespace cim::cli
