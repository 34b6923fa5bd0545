// MSIX packages.
#include <fstream>
#include <string>
#include <vector>

#include <cim/image.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "format/filetime.h"
#include "image/file_descriptor.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "support/msix_package.h"
#include "support/temporary_directory.h"
#include "transfer/import.h"
#include "transfer/msix_block_map.h"
#include "transfer/msix_manifest.h"
#include "tree.h"

namespace cim::transfer {
namespace {

using test::message_of;
using test::MsixPackage;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class Msix : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_ / name; }

  // Imports the package as app.cim.
  void import(const std::u16string& root = u"apps") {
    const FileDescriptor package(open(path("app.msix").c_str(), O_RDONLY | O_CLOEXEC));
    Writer::Options options = new_image(directory_.string(), "app.cim");
    options.case_insensitive = true;
    Writer writer(options);
    import_msix(writer, package.get(), "app.msix", root, progress_);
    writer.commit();
  }

  std::string failure() {
    return message_of([&] { import(); });
  }

  // What is wrong with the package, with a manifest, a block map and the like added to it.
  std::string failure_of(MsixPackage& package) {
    package.finish(path("app.msix"));
    return failure();
  }

  std::string package_bytes() const { return read_file(path("app.msix")); }
  void set_package_bytes(const std::string& bytes) const { write_file(path("app.msix"), bytes); }

  // Makes the package say that a member of `marked_size` bytes has `size`, as zip writes that.
  void replace_marked_size(const std::string& size) const {
    const std::string marked("\x43\x42\x0F\x00", 4);
    std::string bytes = package_bytes();
    for (std::size_t at = bytes.find(marked); at != std::string::npos; at = bytes.find(marked)) {
      bytes.replace(at, marked.size(), size);
    }
    set_package_bytes(bytes);
  }

  static constexpr std::size_t marked_size = 1'000'003;

  test::TemporaryDirectory directory_;
  RecordingProgress progress_;
};

TEST_F(Msix, IsUnpackedAsWindowsDoesIt) {
  const std::string large(200'000, 'x');
  MsixPackage()
      .file("App.exe", large)
      .file("Assets/a logo (1)+[2]%.png", "stored")
      .file("Assets/größe.txt", "")
      .unlisted("AppxSignature.p7x", "PKCX")
      .unlisted("AppxMetadata/CodeIntegrity.cat", "cat")
      .finish(path("app.msix"));
  import();
  const Image image(path("app.cim"));
  EXPECT_FALSE(image.case_sensitive());
  EXPECT_THAT(test::list(image, u""), ElementsAre("apps"));
  EXPECT_THAT(test::list(image, u"apps"), ElementsAre(MsixPackage::full_name));
  const std::u16string package = u"APPS\\" + linux_to_image_name(MsixPackage::full_name);
  EXPECT_THAT(test::list(image, package),
              ElementsAre("App.exe", "AppxBlockMap.xml", "AppxManifest.xml", "AppxMetadata",
                          "AppxSignature.p7x", "Assets"));
  EXPECT_TRUE(test::content(image, package + u"\\app.EXE") == large);
  EXPECT_EQ(test::content(image, package + u"\\Assets\\a logo (1)+[2]%.png"), "stored");
  EXPECT_EQ(test::content(image, package + u"\\Assets\\größe.txt"), "");
  EXPECT_EQ(test::content(image, package + u"\\AppxMetadata\\CodeIntegrity.cat"), "cat");
  EXPECT_THAT(progress_.warnings, testing::IsEmpty());
}

TEST_F(Msix, FilesHaveTheTimesOfThePackageAndMetadataOfWindows) {
  MsixPackage().file("f", "text").finish(path("app.msix"));
  import(u"");
  const Image image(path("app.cim"));
  const std::u16string package = linux_to_image_name(MsixPackage::full_name);
  const std::int64_t time = format::to_filetime({.tv_sec = MsixPackage::time, .tv_nsec = 0});
  for (const std::u16string& file : {package, package + u"\\f"}) {
    EXPECT_EQ(test::file_at(image, file).last_write_time, time);
    EXPECT_EQ(test::file_at(image, file).creation_time, time);
  }
}

TEST_F(Msix, StreamsWithoutAnEndAreRead) {
  // makemsix does not mark the last block of a compressed file.
  MsixPackage().file("f", "text").finish(path("app.msix"));
  std::string bytes = package_bytes();
  const std::size_t data = bytes.find("\x2B\x49\xAD\x28\x01");
  ASSERT_NE(data, std::string::npos);
  bytes[data] &= ~1;
  set_package_bytes(bytes);
  import();
  const Image image(path("app.cim"));
  EXPECT_EQ(test::content(image, u"apps\\" + linux_to_image_name(MsixPackage::full_name) + u"\\f"),
            "text");
}

TEST_F(Msix, DataIsComparedWithTheBlockMap) {
  std::string text(100'000, 'a');
  MsixPackage package;
  package.listed("f", text);
  text[70'000] = 'b';
  package.unlisted("f", text);
  EXPECT_EQ(failure_of(package),
            "app.msix: f: differs from the block map in the 64 KiB from 65536 on");
}

TEST_F(Msix, TheLastBlockIsCompared) {
  MsixPackage package;
  package.listed("f", "a").unlisted("f", "b");
  EXPECT_EQ(failure_of(package), "app.msix: f: differs from the block map in the 64 KiB from 0 on");
}

TEST_F(Msix, TheManifestIsComparedBeforeItIsBelieved) {
  MsixPackage package;
  package.listed("AppxManifest.xml", "other").unlisted("AppxManifest.xml", "<>");
  package.block_map().write(path("app.msix"));
  EXPECT_EQ(failure(), "app.msix: AppxManifest.xml: has 2 bytes, but 5 in the block map");
  MsixPackage same_size;
  same_size.listed("AppxManifest.xml", "ab").unlisted("AppxManifest.xml", "<>");
  same_size.block_map().write(path("app.msix"));
  EXPECT_EQ(failure(),
            "app.msix: AppxManifest.xml: differs from the block map in the 64 KiB from 0 on");
}

TEST_F(Msix, ThePackageHasExactlyTheFilesOfTheBlockMap) {
  EXPECT_EQ(failure_of(MsixPackage().unlisted("extra", "")),
            "app.msix: extra: is not in the block map");
  EXPECT_EQ(failure_of(MsixPackage().listed("d/f", "")),
            "app.msix: d/f: is in the block map, but not in the package");
  EXPECT_EQ(failure_of(MsixPackage().listed("f", "abc").unlisted("f", "ab")),
            "app.msix: f: has 2 bytes, but 3 in the block map");
  EXPECT_EQ(failure_of(MsixPackage().listed("[Content_Types].xml", "<Types/>")),
            "app.msix: [Content_Types].xml: must not be in the block map");
  EXPECT_EQ(failure_of(MsixPackage().file("f", "").file("f", "")), "app.msix: f: is there twice");
}

TEST_F(Msix, NamesThatWindowsTakesForOneAreRefused) {
  EXPECT_THAT(failure_of(MsixPackage().file("Dir/f", "").file("dir/g", "")),
              HasSubstr("are one name in a case-insensitive image"));
}

TEST_F(Msix, NamesThatLeadElsewhereAreRefused) {
  for (const char* name : {"../f", "d/../f", "/f", "d//f", "C:/f", "%5Cf", "%2e%2e/f", "f.", "f ",
                           "f%00", "a*", "f:stream"}) {
    EXPECT_EQ(failure_of(MsixPackage().member(name, "")),
              std::string("app.msix: ") + name + ": has a name that no file of Windows has");
  }
  EXPECT_EQ(failure_of(MsixPackage().member("a%2Fb", "")),
            "app.msix: a%2Fb: has a '/' in its name");
  for (const char* name : {"f%", "f%4", "f%4g", "f%-1"}) {
    EXPECT_EQ(failure_of(MsixPackage().member(name, "")),
              std::string("app.msix: ") + name + ": has a malformed escape in its name");
  }
}

TEST_F(Msix, IncompletePackagesAreRefused) {
  MsixPackage().manifest().write(path("app.msix"));
  EXPECT_EQ(failure(), "app.msix: has no AppxBlockMap.xml, as packages do");
  MsixPackage().file("f", "").block_map().write(path("app.msix"));
  EXPECT_EQ(failure(), "app.msix: has no AppxManifest.xml, as packages do");
  MsixPackage().manifest().unlisted("AppxBlockMap.xml", "<BlockMap").write(path("app.msix"));
  EXPECT_THAT(failure(),
              StartsWith("app.msix: AppxBlockMap.xml: is not well-formed XML at line 1"));
}

TEST_F(Msix, BundlesAreRefused) {
  MsixPackage()
      .file("AppxMetadata/AppxBundleManifest.xml", "<Bundle/>")
      .unlisted("App_x64.msix", "PK")
      .block_map()
      .write(path("app.msix"));
  EXPECT_EQ(failure(), "app.msix: is a bundle of packages; unpack it, and use the one that fits");
}

TEST_F(Msix, OtherFilesAreRefused) {
  for (const char* text : {"", "text", "PK\x03\x04"}) {
    set_package_bytes(text);
    EXPECT_EQ(failure(), "app.msix: is no zip archive, or is cut short");
  }
  MsixPackage().file("f", "text").finish(path("app.msix"));
  const std::string bytes = package_bytes();
  for (std::size_t size = 0; size < bytes.size(); size += 50) {
    set_package_bytes(bytes.substr(0, size));
    EXPECT_THAT(failure(), StartsWith("app.msix: "));
  }
}

TEST_F(Msix, PipesAreRefused) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const FileDescriptor reader(ends[0]);
  const FileDescriptor writer_end(ends[1]);
  Writer writer(new_image(directory_.string(), "app.cim"));
  EXPECT_EQ(message_of([&] { import_msix(writer, reader.get(), "app.msix", u"apps", progress_); }),
            "app.msix: is no regular file; a zip archive is read from its end");
}

TEST_F(Msix, AFileDoesNotGrowWhenItIsUncompressed) {
  MsixPackage package;
  package.unlisted("f", std::string(marked_size, 'a')).listed("f", "abcd");
  package.finish(path("app.msix"));
  replace_marked_size(std::string("\x04\0\0\0", 4));
  EXPECT_EQ(failure(), "app.msix: f: has more data than it should");
}

TEST_F(Msix, AHugeBlockMapIsNotRead) {
  MsixPackage package;
  package.manifest().unlisted("AppxBlockMap.xml", std::string(marked_size, ' '));
  package.write(path("app.msix"));
  replace_marked_size(std::string("\x01\0\0\x04", 4));
  EXPECT_EQ(failure(), "app.msix: AppxBlockMap.xml: is over 64 MiB");
}

std::string block_map_failure(
    const std::string& content,
    const std::string& method = "http://www.w3.org/2001/04/xmlenc#sha256") {
  return message_of([&] {
    parse_msix_block_map("<BlockMap HashMethod='" + method + "'>" + content + "</BlockMap>");
  });
}

TEST(MsixBlockMap, MalformedOnesAreRefused) {
  EXPECT_EQ(block_map_failure("<File Name='f' Size='0'/>"), "");
  EXPECT_EQ(block_map_failure("", "http://www.w3.org/2001/04/xmlenc#sha512"),
            "has digests other than SHA-256");
  EXPECT_EQ(block_map_failure("<File Name='f' Size='1'/>"), "f: has 0 digests for 1 bytes");
  EXPECT_EQ(block_map_failure("<File Name='f' Size='18446744073709551615'/><File/>"),
            "f: has 0 digests for 18446744073709551615 bytes");
  EXPECT_EQ(block_map_failure("<File Name='f' Size='x'/>"), "f: has a size that is no number: 'x'");
  EXPECT_EQ(block_map_failure("<File Name='f' Size='1'><Block Hash='AAAA'/></File>"),
            "f: has a digest of another size than SHA-256");
  EXPECT_EQ(block_map_failure("<File Name='f' Size='1'><Block Hash='#'/></File>"),
            "f: is not base64");
  EXPECT_EQ(block_map_failure("<File Name='f' Size='1'><Block/></File>"),
            "f: element BlockMap/File/Block: has no attribute Hash");
  EXPECT_EQ(block_map_failure("<File Name='d\\f' Size='0'/><File Name='d/f' Size='0'/>"),
            "d/f: is listed twice");
  EXPECT_EQ(message_of([] { parse_msix_block_map("<Other/>"); }), "is no block map");
  EXPECT_THAT(
      message_of([] { parse_msix_block_map("<!DOCTYPE BlockMap [<!ENTITY a 'b'>]><BlockMap/>"); }),
      HasSubstr("document types are not allowed"));
}

std::string manifest(const std::string& identity) {
  return "<Package xmlns='urn:x'><Identity " + identity + "/></Package>";
}

TEST(MsixManifest, FullNamesAreThoseOfWindows) {
  const std::string publisher =
      " Publisher='CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, "
      "C=US'";
  EXPECT_EQ(msix_full_name(manifest("Name='A.b-c' Version='1.0.0.0'" + publisher)),
            "A.b-c_1.0.0.0_neutral__8wekyb3d8bbwe");
  EXPECT_EQ(msix_full_name(manifest("Name='A' Version='1.0.0.0' ProcessorArchitecture='arm64' "
                                    "ResourceId='split.scale-100'" +
                                    publisher)),
            "A_1.0.0.0_arm64_split.scale-100_8wekyb3d8bbwe");
}

TEST(MsixManifest, PublishersAreHashedInUtf16) {
  EXPECT_EQ(msix_publisher_id("CN=Microsoft Windows, O=Microsoft Corporation, L=Redmond, "
                              "S=Washington, C=US"),
            "cw5n1h2txyewy");
  EXPECT_EQ(msix_publisher_id("CN=\"Größe, 𝄞\""), "jm14p2yxv4m52");
}

TEST(MsixManifest, OthersAreRefused) {
  const auto failure = [](const std::string& xml) {
    return message_of([&] { msix_full_name(xml); });
  };
  const std::string rest = "Version='1.0.0.0' Publisher='CN=A' ";
  EXPECT_EQ(failure("<Package/>"), "does not name a package");
  EXPECT_EQ(failure(manifest("Name='' " + rest)), "has an empty Name");
  EXPECT_EQ(failure(manifest("Name='..\\x' " + rest)),
            "has the Name '..\\x', which Windows does not allow");
  EXPECT_EQ(failure(manifest("Name='A' ResourceId='a/b' " + rest)),
            "has the ResourceId 'a/b', which Windows does not allow");
  EXPECT_EQ(failure(manifest("Name='A' Version='1'")),
            "element Package/Identity: has no attribute Publisher");
}

}  // namespace
}  // namespace cim::transfer
