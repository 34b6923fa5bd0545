// The Writer, tested through the images it makes.
#include <fstream>
#include <optional>
#include <random>

#include <cim/writer.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/extended_attributes.h"
#include "format/security_descriptor.h"
#include "image/file_descriptor.h"
#include "image/forged_image.h"
#include "image/internals.h"
#include "image/mapping_fault.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "support/same_files.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::bytes;
using test::content;
using test::error_of;
using test::file_at;
using test::list;
using test::put;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

std::string random_content(std::size_t size) {
  std::mt19937_64 generator(size);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(generator());
  return text;
}

class WriterTest : public testing::Test {
 protected:
  Writer::Options fresh(const std::string& name = "a.cim") {
    return {.directory = directory_.string(), .existing = {}, .name = name};
  }
  Writer::Options extending(const std::string& name = "a.cim") {
    return {.directory = directory_.string(), .existing = name, .name = {}};
  }
  Writer::Options forking(const std::string& from, const std::string& to) {
    return {.directory = directory_.string(), .existing = from, .name = to};
  }
  Image open(const std::string& name = "a.cim") { return Image(directory_ / name); }

  std::vector<std::string> files() {
    std::vector<std::string> names;
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::vector<std::string> object_id_files() {
    std::vector<std::string> names = files();
    std::erase_if(names, [](const std::string& name) { return !name.starts_with("objectid"); });
    return names;
  }

  // Lets `change` edit the header and the entries of an object id file.
  template <typename Change>
  void change_object_ids(const std::string& name, Change&& change) {
    format::ObjectIdHeader header;
    std::fstream file(directory_ / name, std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.read(reinterpret_cast<char*>(&header), sizeof(header)));
    std::vector<format::ObjectIdEntry> entries(header.count);
    const auto size = static_cast<std::streamsize>(entries.size() * sizeof(entries[0]));
    ASSERT_TRUE(file.read(reinterpret_cast<char*>(entries.data()), size));
    change(header, entries);
    file.seekp(0);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    file.write(reinterpret_cast<const char*>(entries.data()), size);
    ASSERT_TRUE(file.flush());
  }

  // Puts `count` entries of zeros, which take no space on disk, before those of an object id file.
  void put_empty_object_ids_first(const std::string& name, std::uint32_t count) {
    change_object_ids(
        name, [&](format::ObjectIdHeader& header, std::vector<format::ObjectIdEntry>& entries) {
          std::fstream file(directory_ / name, std::ios::in | std::ios::out | std::ios::binary);
          file.seekp(sizeof(header) + std::streamoff{count} * sizeof(entries[0]));
          file.write(reinterpret_cast<const char*>(entries.data()),
                     static_cast<std::streamsize>(entries.size() * sizeof(entries[0])));
          ASSERT_TRUE(file.flush());
          std::ranges::fill(entries, format::ObjectIdEntry());
          header.count += count;
        });
  }

  static std::uint64_t page_faults() {
    rusage usage;
    EXPECT_EQ(0, getrusage(RUSAGE_SELF, &usage));
    return static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt);
  }

  // Adds a stream, and waits until everything so far is stored.
  static void put_stream(Writer& writer, std::u16string_view path, std::u16string_view name,
                         std::string_view content) {
    WriteStream stream = writer.create_named_stream(path, name, content.size());
    stream.write(bytes(content));
    stream.close();
  }

  // Bytes on disk of all files in the directory.
  std::uint64_t disk_usage() {
    std::uint64_t total = 0;
    for (const std::string& name : files()) {
      struct stat status;
      EXPECT_EQ(0, stat((directory_ / name).c_str(), &status));
      total += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return total;
  }

  test::TemporaryDirectory directory_;
};

TEST_F(WriterTest, EmptyImageHasAnEmptyRoot) {
  Writer(fresh()).commit();
  const Image image = open();
  EXPECT_TRUE(image.file(image.root()).is_directory());
  EXPECT_THAT(list(image, u""), IsEmpty());
}

TEST_F(WriterTest, FilesOfEverySizeComeBack) {
  const std::vector<std::size_t> sizes = {
      0,       1,       4095, 4096, 16384, 16385, 1 << 20, (8 << 20) - 1, 8 << 20, (8 << 20) + 1,
      3000001, 9000001, 24};
  Writer writer(fresh());
  for (const std::size_t size : sizes) {
    put(writer, linux_to_image_path(std::to_string(size)), random_content(size));
  }
  writer.commit();
  const Image image = open();
  for (const std::size_t size : sizes) {
    EXPECT_TRUE(random_content(size) == content(image, linux_to_image_path(std::to_string(size))))
        << size;
  }
}

TEST_F(WriterTest, ManyFilesComeBack) {
  constexpr int count = 10000;
  const auto content_of = [](int i) { return "content " + std::to_string(i % 9000); };
  Writer writer(fresh());
  for (int i = 0; i < count; ++i) {
    put(writer, linux_to_image_path(std::to_string(i)), content_of(i));
  }
  writer.commit();
  const Image image = open();
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(content_of(i), content(image, linux_to_image_path(std::to_string(i))));
  }
}

TEST_F(WriterTest, ManyShortFilesThatStartAlikeTakeNoLonger) {
  constexpr int count = 100000;
  const auto content_of = [](int i) { return fmt::format("version 1, {}", i); };
  Writer writer(fresh());
  for (int i = 0; i < count; ++i) {
    put(writer, linux_to_image_path(std::to_string(i)), content_of(i));
  }
  writer.commit();
  const Image image = open();
  EXPECT_EQ(content_of(0), content(image, u"0"));
  EXPECT_EQ(content_of(count - 1), content(image, linux_to_image_path(std::to_string(count - 1))));
}

TEST_F(WriterTest, LargeDataIsAlignedToPages) {
  Writer writer(fresh());
  put(writer, u"small", "x");
  put(writer, u"large", random_content(100000));
  put(writer, u"larger", random_content(100001));
  writer.commit();
  const Image image = open();
  EXPECT_EQ(0u, image.extent(file_at(image, u"large").stream, 0, 1).position % 4096);
  EXPECT_EQ(0u, image.extent(file_at(image, u"larger").stream, 0, 1).position % 4096);
}

TEST_F(WriterTest, UnwrittenRangesReadAsZerosAndTakeNoSpace) {
  Writer writer(fresh());
  for (const int size : {1 << 20, 64 << 20}) {
    WriteStream stream = writer.create_file(linux_to_image_path(std::to_string(size)), {}, size);
    stream.write_at(size / 2, bytes("0123456789"));
  }
  writer.commit();
  EXPECT_LT(disk_usage(), 1u << 19);
  const Image image = open();
  for (const int size : {1 << 20, 64 << 20}) {
    std::string expected(size, '\0');
    expected.replace(size / 2, 10, "0123456789");
    EXPECT_TRUE(content(image, linux_to_image_path(std::to_string(size))) == expected) << size;
  }
}

TEST_F(WriterTest, AFileNeverWrittenIsSparse) {
  Writer writer(fresh());
  writer.create_file(u"file", {}, std::uint64_t{1} << 40).close();
  writer.commit();
  const Image image = open();
  const Stream stream = file_at(image, u"file").stream;
  EXPECT_EQ(std::uint64_t{1} << 40, stream.length);
  EXPECT_TRUE(stream.sparse);
  std::array<std::byte, 16> end;
  end.fill(std::byte{1});
  EXPECT_EQ(16u, image.read(stream, (std::uint64_t{1} << 40) - 16, end));
  EXPECT_THAT(end, testing::Each(std::byte{0}));
}

TEST_F(WriterTest, AFileOfWrittenZerosTakesNoSpace) {
  Writer writer(fresh());
  put(writer, u"small", std::string(100, '\0'));
  put(writer, u"large", std::string(8 << 20, '\0'));
  writer.commit();
  EXPECT_LT(disk_usage(), 1u << 20);
  const Image image = open();
  EXPECT_EQ(std::string(100, '\0'), content(image, u"small"));
  EXPECT_TRUE(content(image, u"large") == std::string(8 << 20, '\0'));
}

TEST_F(WriterTest, ATebibyteWithTwoWrittenEndsIsFast) {
  const std::uint64_t size = std::uint64_t{1} << 40;
  Writer writer(fresh());
  {
    WriteStream stream = writer.create_file(u"file", {}, size);
    stream.write(bytes("begin"));
    stream.write_at(size - 3, bytes("end"));
  }
  writer.commit();
  const Image image = open();
  const Stream stream = file_at(image, u"file").stream;
  std::string text(5, '?');
  image.read(stream, 0, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ("begin", text);
  image.read(stream, size - 5, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(std::string("\0\0end", 5), text);
}

TEST_F(WriterTest, ManyHolesAreNotHashed) {
  constexpr std::uint64_t size = std::uint64_t{64} << 30;
  constexpr std::uint64_t distance = 32 << 20;
  Writer writer(fresh());
  {
    WriteStream stream = writer.create_file(u"file", {}, size);
    for (std::uint64_t offset = 0; offset < size; offset += distance) {
      stream.write_at(offset, bytes("x"));
    }
  }
  writer.commit();
  const Image image = open();
  std::string text(2, '?');
  image.read(file_at(image, u"file").stream, distance, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(std::string("x\0", 2), text);
}

TEST_F(WriterTest, WritesInAnyOrderEndUpInPlace) {
  Writer writer(fresh());
  for (const std::size_t size : {3 << 20, 9 << 20}) {
    const std::string text = random_content(size);
    WriteStream stream = writer.create_file(linux_to_image_path(std::to_string(size)), {}, size);
    stream.write_at(2 << 20, bytes(text).subspan(2 << 20));
    stream.write_at(0, bytes("overwritten"));
    stream.write_at(0, bytes(text).first(1 << 20));
    stream.write(bytes(text).subspan(1 << 20, 1 << 20));
    stream.close();
    put(writer, linux_to_image_path("same " + std::to_string(size)), text);
  }
  writer.commit();
  const Image image = open();
  for (const std::size_t size : {3 << 20, 9 << 20}) {
    const std::u16string path = linux_to_image_path(std::to_string(size));
    const std::u16string same = linux_to_image_path("same " + std::to_string(size));
    EXPECT_TRUE(content(image, path) == random_content(size)) << size;
    EXPECT_EQ(file_at(image, path).stream.region_offset, file_at(image, same).stream.region_offset);
  }
}

TEST_F(WriterTest, WhatIsWrittenBeforeSharingStays) {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  Writer writer(fresh());
  {
    WriteStream stream = writer.create_file(u"file", {}, 100000);
    stream.write(bytes(std::string(50000, 'a')));
    EXPECT_FALSE(stream.share(fd));
    stream.write(bytes(std::string(50000, 'b')));
  }
  writer.commit();
  close(fd);
  EXPECT_TRUE(content(open(), u"file") == std::string(50000, 'a') + std::string(50000, 'b'));
}

TEST_F(WriterTest, AWritePastTheSizeKeepsWhatFits) {
  Writer writer(fresh());
  WriteStream stream = writer.create_file(u"file", {}, 4);
  stream.write(bytes("ab"));
  EXPECT_EQ(Errc::end_of_file, error_of([&] { stream.write(bytes("cdef")); }));
  EXPECT_EQ(Errc::end_of_file, error_of([&] { stream.write(bytes("g")); }));
  stream.close();
  writer.commit();
  EXPECT_EQ("abcd", content(open(), u"file"));
}

TEST_F(WriterTest, FilesOfAnySizeAreCopiedFromDescriptors) {
  Writer writer(fresh());
  std::vector<std::string> expected;
  for (const std::size_t size : {1, 4096, 100000, (8 << 20) + 5}) {
    expected.push_back(random_content(size));
    const std::string source = directory_ / "source";
    std::ofstream(source) << expected.back();
    const FileDescriptor fd(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
    const std::u16string name = linux_to_image_path(std::to_string(expected.size() - 1));
    WriteStream stream = writer.create_file(name, {}, size);
    const std::size_t middle = size / 2;  // the second half first
    EXPECT_EQ(size - middle, stream.copy_from(fd.get(), middle, size - middle, source));
    EXPECT_EQ(middle, stream.copy_from(fd.get(), 0, middle, source));
  }
  writer.commit();
  const Image image = open();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::u16string name = linux_to_image_path(std::to_string(i));
    EXPECT_TRUE(content(image, name) == expected[i]) << expected[i].size() << " bytes";
  }
}

TEST_F(WriterTest, ACopyEndsWhereTheFileEnds) {
  const std::string source = directory_ / "source";
  std::ofstream(source) << "abcdef";
  const FileDescriptor fd(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  Writer writer(fresh());
  WriteStream stream = writer.create_file(u"file", {}, 10);
  EXPECT_EQ(4, stream.copy_from(fd.get(), 2, 8, source));
  stream.write(bytes("gh"));  // goes on after it
  EXPECT_EQ(Errc::end_of_file, error_of([&] { stream.copy_from(fd.get(), 2, 9, source); }));
  EXPECT_EQ(Errc::end_of_file, error_of([&] { stream.copy_from(fd.get(), 11, 0, source); }));
  stream.close();
  EXPECT_EQ(Errc::invalid_argument, error_of([&] { stream.copy_from(fd.get(), 0, 1, source); }));
  writer.commit();
  EXPECT_EQ(std::string("\0\0cdefgh\0\0", 10), content(open(), u"file"));
}

TEST_F(WriterTest, AFileThatCannotBeCopiedIsNamedAndTheStreamGoesOn) {
  const FileDescriptor fd(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Writer writer(fresh());
  WriteStream stream = writer.create_file(u"file", {}, 4);
  try {
    stream.copy_from(fd.get(), 0, 4, "the/source");
    ADD_FAILURE() << "a directory was copied";
  } catch (const Error& error) {
    EXPECT_EQ(Errc::is_a_directory, error.code());
    EXPECT_EQ("the/source", error.path());
  }
  stream.write(bytes("data"));
  stream.close();
  writer.commit();
  EXPECT_EQ("data", content(open(), u"file"));
}

TEST_F(WriterTest, DataOfADroppedDuplicateDoesNotShowInALaterHole) {
  Writer writer(fresh());
  put(writer, u"one", random_content(1 << 20));
  put(writer, u"two", random_content(1 << 20));
  {
    WriteStream stream = writer.create_file(u"holes", {}, 1 << 20);
    stream.write_at(500000, bytes("x"));
  }
  writer.commit();
  std::string expected(1 << 20, '\0');
  expected[500000] = 'x';
  EXPECT_TRUE(content(open(), u"holes") == expected);
}

TEST_F(WriterTest, EqualFilesTakeTheSpaceOfOne) {
  Writer writer(fresh());
  for (const char16_t* name : {u"a", u"b", u"c", u"d"}) put(writer, name, random_content(4 << 20));
  for (const char16_t* name : {u"e", u"f"}) put(writer, name, "small");
  writer.commit();
  EXPECT_LT(disk_usage(), 5u << 20);
  const Image image = open();
  EXPECT_EQ(file_at(image, u"e").stream.region_offset, file_at(image, u"f").stream.region_offset);
  EXPECT_TRUE(content(image, u"d") == random_content(4 << 20));
}

TEST_F(WriterTest, CreatingAPathAgainShowsOnlyTheLastVersion) {
  Writer writer(fresh());
  put(writer, u"file", "a longer first version", {.last_write_time = 1});
  put(writer, u"file", "second", {.attributes = attribute::hidden, .last_write_time = 2});
  writer.commit();
  const Image image = open();
  EXPECT_EQ("second", content(image, u"file"));
  EXPECT_EQ(2, file_at(image, u"file").last_write_time);
  EXPECT_EQ(attribute::hidden, file_at(image, u"file").attributes);
  EXPECT_THAT(list(image, u""), ElementsAre("file"));
}

TEST_F(WriterTest, ADirectoryOverADirectoryKeepsItsContents) {
  Writer writer(fresh());
  writer.create_directory(u"d", {.last_write_time = 1});
  put(writer, u"d\\file", "kept");
  writer.create_directory(u"d", {.last_write_time = 2});
  writer.commit();
  const Image image = open();
  EXPECT_EQ("kept", content(image, u"d\\file"));
  EXPECT_EQ(2, file_at(image, u"d").last_write_time);
}

TEST_F(WriterTest, AFileOverADirectoryRemovesTheTreeBelow) {
  Writer writer(fresh());
  writer.create_directory(u"d", {});
  writer.create_directory(u"d\\e", {});
  put(writer, u"d\\e\\file", "lost");
  put(writer, u"d", "now a file");
  EXPECT_EQ(Writer::Kind::none, writer.find(u"d\\e\\file"));
  writer.create_directory(u"d", {});
  writer.commit();
  EXPECT_THAT(list(open(), u"d"), IsEmpty());
}

TEST_F(WriterTest, AParentMustExist) {
  Writer writer(fresh());
  put(writer, u"file", "");
  EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_directory(u"no\\d", {}); }));
  EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_file(u"file\\x", {}, 0); }));
}

TEST_F(WriterTest, HardLinksShareOneFile) {
  Writer writer(fresh());
  writer.create_directory(u"d", {});
  put(writer, u"d\\a", "text");
  writer.create_hard_link(u"b", u"d\\a");
  writer.create_hard_link(u"c", u"b");
  EXPECT_EQ(Errc::is_a_directory, error_of([&] { writer.create_hard_link(u"x", u"d"); }));
  EXPECT_EQ(Errc::is_a_directory, error_of([&] { writer.create_hard_link(u"d", u"b"); }));
  EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_hard_link(u"x", u"no"); }));
  writer.remove(u"c");
  writer.commit();
  const Image image = open();
  EXPECT_EQ(image.resolve(u"b"), image.resolve(u"d\\a"));
  EXPECT_EQ(2u, image.link_count(file_at(image, u"b")));
  EXPECT_EQ(1u, image.link_count(file_at(image, u"d")) - 1);
}

TEST_F(WriterTest, AHardLinkOutlivesTheNameItWasMadeFrom) {
  Writer writer(fresh());
  writer.create_directory(u"d", {});
  put(writer, u"d\\a", "text");
  writer.create_hard_link(u"b", u"d\\a");
  writer.remove(u"d");
  writer.commit();
  const Image image = open();
  EXPECT_EQ("text", content(image, u"b"));
  EXPECT_EQ(1u, image.link_count(file_at(image, u"b")));
  EXPECT_EQ(image.root(), file_at(image, u"b").parent);
}

TEST_F(WriterTest, NamedStreamsBelongToTheirFile) {
  Writer writer(fresh());
  put(writer, u"file", "data");
  {
    WriteStream stream = writer.create_named_stream(u"file", u"zone", 6);
    stream.write(bytes("abc"));
  }
  writer.create_named_stream(u"file", u"other", 0).close();
  writer.create_named_stream(u"", u"on the root", 1).close();
  writer.remove_named_stream(u"file", u"other");
  EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.remove_named_stream(u"file", u"other"); }));
  EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_named_stream(u"no", u"s", 0); }));
  writer.commit();
  const Image image = open();
  const auto streams = image.named_streams(file_at(image, u"file"));
  ASSERT_EQ(1u, streams.size());
  EXPECT_EQ(u"zone", streams[0].name);
  EXPECT_EQ(std::string("abc\0\0\0", 6), content(image, streams[0].stream));
  EXPECT_EQ(1u, image.named_streams(image.file(image.root())).size());
}

TEST_F(WriterTest, MetadataComesBack) {
  const std::array<std::uint8_t, 20> descriptor = {1, 0, 0, 0x80};
  const std::array<std::uint8_t, 12> reparse = {0x1D, 0, 0, 0xA0, 4, 0, 0, 0, 2, 0, 0, 0};
  const std::array<std::uint8_t, 12> attributes = {0, 0, 0, 0, 0, 1, 2, 0, 'N', 0, 'v', 'w'};
  const Metadata metadata = {
      .attributes = attribute::read_only | attribute::system | attribute::archive,
      .creation_time = 1,
      .last_write_time = -2,
      .change_time = INT64_MAX,
      .last_access_time = 4,
      .security_descriptor = std::as_bytes(std::span(descriptor)),
      .reparse_data = std::as_bytes(std::span(reparse)),
      .extended_attributes = std::as_bytes(std::span(attributes)),
  };
  Writer writer(fresh());
  put(writer, u"file", "", metadata);
  writer.create_directory(u"d", metadata);
  writer.create_directory(u"", metadata);
  writer.commit();
  const Image image = open();
  for (const char16_t* path : {u"file", u"d", u""}) {
    const File file = file_at(image, path);
    const Metadata read = image.metadata(file);
    EXPECT_EQ(metadata.attributes | attribute::reparse_point,
              read.attributes & ~attribute::directory);
    EXPECT_EQ(0xA000001Du, file.reparse_tag);
    EXPECT_EQ(1, read.creation_time);
    EXPECT_EQ(-2, read.last_write_time);
    EXPECT_EQ(INT64_MAX, read.change_time);
    EXPECT_EQ(4, read.last_access_time);
    EXPECT_TRUE(std::ranges::equal(metadata.security_descriptor, read.security_descriptor));
    EXPECT_TRUE(std::ranges::equal(metadata.reparse_data, read.reparse_data));
    EXPECT_TRUE(std::ranges::equal(metadata.extended_attributes, read.extended_attributes));
  }
}

TEST_F(WriterTest, MalformedMetadataIsRefused) {
  const std::array<std::byte, 3> garbage = {};
  const ByteView view = garbage;
  Writer writer(fresh());
  for (const Metadata& metadata :
       {Metadata{.security_descriptor = view}, Metadata{.reparse_data = view},
        Metadata{.extended_attributes = view}}) {
    EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.create_file(u"f", metadata, 0); }));
    EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.create_directory(u"f", metadata); }));
  }
  EXPECT_EQ(Errc::invalid_argument,
            error_of([&] { writer.create_file(u"f", {}, std::uint64_t{1} << 48); }));
  writer.commit();
  EXPECT_THAT(list(open(), u""), IsEmpty());
}

TEST_F(WriterTest, MalformedPathsAreRefused) {
  Writer writer(fresh());
  const auto create = [&](std::u16string_view path) {
    return error_of([&] { writer.create_directory(path, {}); });
  };
  for (const char16_t* path : {u"\\a", u"a\\", u"a\\\\b", u".", u"..", u"a\\..", u"a/b"}) {
    EXPECT_EQ(Errc::invalid_argument, create(path)) << image_to_linux_name(path);
  }
  EXPECT_EQ(std::nullopt, create(std::u16string(255, u'n')));
  EXPECT_EQ(Errc::name_too_long, create(std::u16string(256, u'n')));
  EXPECT_EQ(Errc::name_too_long, create(std::u16string(32768, u'\\')));
  EXPECT_EQ(Errc::invalid_argument, create(std::u16string(1, u'\0')));
}

TEST_F(WriterTest, NamesThatOnlyWindowsForbidsAreTaken) {
  const std::vector<std::u16string> names = {u"\x1f", u"\"*", u"<>?", u"a:b", u"|", {0xD800}};
  Writer writer(fresh());
  for (const std::u16string& name : names) put(writer, name, "text");
  writer.commit();
  const Image image = open();
  for (const std::u16string& name : names) EXPECT_EQ("text", content(image, name));
}

TEST_F(WriterTest, OnlyOneStreamIsOpenAtATime) {
  Writer writer(fresh());
  WriteStream first = writer.create_file(u"first", {}, 4);
  first.write(bytes("ab"));
  const auto violates = [&](auto&& call) { return error_of(call) == Errc::sharing_violation; };
  EXPECT_TRUE(violates([&] { writer.create_file(u"second", {}, 1); }));
  EXPECT_TRUE(violates([&] { writer.create_directory(u"d", {}); }));
  EXPECT_TRUE(violates([&] { writer.create_named_stream(u"first", u"s", 1); }));
  EXPECT_TRUE(violates([&] { writer.create_hard_link(u"x", u"first"); }));
  EXPECT_TRUE(violates([&] { writer.remove(u"first"); }));
  EXPECT_TRUE(violates([&] { writer.commit(); }));
  first.write(bytes("cd"));
  first.close();
  writer.commit();
  const Image image = open();
  EXPECT_EQ("abcd", content(image, u"first"));
  EXPECT_THAT(list(image, u""), ElementsAre("first"));
}

TEST_F(WriterTest, ADirectoryHasOneWriter) {
  std::optional<Writer> first(std::in_place, fresh("a.cim"));
  EXPECT_EQ(Errc::sharing_violation, error_of([&] { Writer second(fresh("b.cim")); }));
  first.reset();
  EXPECT_EQ(std::nullopt, error_of([&] { Writer second(fresh("b.cim")); }));
}

TEST_F(WriterTest, WithoutACommitNothingIsLeft) {
  {
    Writer writer(fresh());
    put(writer, u"file", random_content(3 << 20));
    put(writer, u"small", "x");
    EXPECT_THAT(files(), IsEmpty());
  }
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(WriterTest, OptionsThatNameNoImageAreRefused) {
  const std::string directory = directory_.string();
  const auto open_with = [](const Writer::Options& options) {
    return error_of([&] { Writer writer(options); });
  };
  EXPECT_EQ(Errc::invalid_argument,
            open_with({.directory = directory, .existing = {}, .name = {}}));
  EXPECT_EQ(Errc::invalid_argument, open_with(fresh("")));
  EXPECT_EQ(Errc::invalid_argument, open_with(fresh("../a.cim")));
  EXPECT_EQ(Errc::file_not_found, open_with(extending("no.cim")));
  EXPECT_EQ(Errc::path_not_found,
            open_with({.directory = directory + "/no", .existing = {}, .name = "a.cim"}));
  Writer(fresh()).commit();
  EXPECT_EQ(Errc::file_exists, open_with(fresh()));
  Writer(fresh("b.cim")).commit();
  EXPECT_EQ(Errc::file_exists, open_with(forking("a.cim", "b.cim")));
}

TEST_F(WriterTest, ReplacingAnImageRemovesItsRegionFiles) {
  {
    Writer writer(fresh());
    put(writer, u"old", "old");
    writer.commit();
  }
  Writer::Options options = fresh();
  options.replace = true;
  Writer writer(options);
  put(writer, u"new", "new");
  writer.commit();
  EXPECT_THAT(list(open(), u""), ElementsAre("new"));
  EXPECT_EQ(1u + 4u, files().size()) << "one filesystem file, two regions and their object ids";
}

// inotify(7) reports each opening of `other`.
TEST_F(WriterTest, FilesOfOthersAreOpenedOnlyIfThereMayBeSomethingToRemove) {
  const std::string other = directory_ / "other";
  std::ofstream(other) << "of somebody else";
  const FileDescriptor watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  ASSERT_GE(inotify_add_watch(watch.get(), other.c_str(), IN_OPEN), 0);
  const auto was_opened = [&] {
    alignas(inotify_event) char events[4096];
    return read(watch.get(), events, sizeof(events)) > 0;
  };
  const auto commit = [&](const Writer::Options& options, std::string_view text) {
    Writer writer(options);
    put(writer, u"file", text);
    writer.commit();
  };
  commit(fresh(), "first");
  EXPECT_FALSE(was_opened());
  commit(extending(), "second");
  EXPECT_FALSE(was_opened());
  commit(forking("a.cim", "b.cim"), "third");
  EXPECT_FALSE(was_opened());
  commit(fresh("c.cim"), "fourth");
  Writer::Options replacing = fresh("c.cim");
  replacing.replace = true;
  commit(replacing, "fourth");
  EXPECT_FALSE(was_opened());
  commit(replacing, "fifth");
  EXPECT_TRUE(was_opened());
}

TEST_F(WriterTest, ReplacingAnImageKeepsRegionFilesThatAForkNeeds) {
  {
    Writer writer(fresh());
    put(writer, u"old", "old");
    writer.commit();
  }
  Writer(forking("a.cim", "fork.cim")).commit();
  Writer::Options options = fresh();
  options.replace = true;
  Writer(options).commit();
  EXPECT_EQ("old", content(open("fork.cim"), u"old"));
}

TEST_F(WriterTest, ExtendingAddsToWhatIsThere) {
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    put(writer, u"d\\a", "a");
    put(writer, u"d\\c", "c");
    put(writer, u"gone", "gone");
    put(writer, u"kept", "kept");
    writer.commit();
  }
  {
    Writer writer(extending());
    EXPECT_EQ(Writer::Kind::file, writer.find(u"d\\a"));
    put(writer, u"d\\b", "b");
    put(writer, u"d\\c", "new c");
    writer.remove(u"gone");
    writer.commit();
  }
  const Image image = open();
  EXPECT_THAT(list(image, u""), ElementsAre("d", "kept"));
  EXPECT_THAT(list(image, u"d"), ElementsAre("a", "b", "c"));
  EXPECT_EQ("a", content(image, u"d\\a"));
  EXPECT_EQ("b", content(image, u"d\\b"));
  EXPECT_EQ("new c", content(image, u"d\\c"));
  EXPECT_EQ("kept", content(image, u"kept"));
}

TEST_F(WriterTest, AForkLeavesItsParentAlone) {
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    put(writer, u"d\\file", "parent");
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, u"d\\file", "child");
    writer.remove(u"d");
    writer.create_directory(u"d", {});
    put(writer, u"d\\new", "child");
    writer.commit();
  }
  EXPECT_THAT(list(open("a.cim"), u"d"), ElementsAre("file"));
  EXPECT_EQ("parent", content(open("a.cim"), u"d\\file"));
  EXPECT_THAT(list(open("b.cim"), u"d"), ElementsAre("new"));
  EXPECT_EQ(2u, open("b.cim").region_sets().size());
}

TEST_F(WriterTest, ALinkStandsForTheImageItself) {
  namespace fs = boost::filesystem;
  {
    Writer writer(fresh());
    put(writer, u"first", "first");
    writer.commit();
  }
  const test::TemporaryDirectory elsewhere;
  fs::create_symlink(directory_ / "a.cim", elsewhere / "link.cim");
  fs::create_symlink("a.cim", directory_ / "link.cim");
  int number = 0;
  for (const Writer::Options& options :
       {Writer::Options{.directory = elsewhere.string(), .existing = "link.cim", .name = {}},
        Writer::Options{
            .directory = elsewhere.string(), .existing = "link.cim", .name = "link.cim"},
        extending("link.cim"), forking("link.cim", "a.cim")}) {
    Writer writer(options);
    put(writer, linux_to_image_name(std::to_string(++number)), "new");
    writer.commit();
  }
  EXPECT_THAT(list(open(), u""), ElementsAre("1", "2", "3", "4", "first"));
  EXPECT_EQ(1, std::distance(fs::directory_iterator(elsewhere.path()), {}));
  EXPECT_TRUE(fs::is_symlink(directory_ / "link.cim"));

  EXPECT_EQ(
      Errc::invalid_argument, error_of([&] {
        Writer writer({.directory = elsewhere.string(), .existing = "link.cim", .name = "b.cim"});
      }));
  Writer(forking("link.cim", "b.cim")).commit();
  EXPECT_THAT(list(open("b.cim"), u""), ElementsAre("1", "2", "3", "4", "first"));
}

TEST_F(WriterTest, AForkWritesOnlyWhatChanged) {
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    for (int i = 0; i < 3000; ++i) {
      put(writer, linux_to_image_path("d/" + std::to_string(i)), std::to_string(i));
    }
    put(writer, u"large", random_content(4 << 20));
    writer.commit();
  }
  const std::uint64_t before = disk_usage();
  {
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, u"new", random_content(4 << 20));  // the parent has the same data
    put(writer, u"1", "17");
    writer.commit();
  }
  EXPECT_LT(disk_usage() - before, 300u << 10);
  const Image image = open("b.cim");
  EXPECT_EQ(file_at(image, u"large").stream.region_offset,
            file_at(image, u"new").stream.region_offset);
  EXPECT_EQ(file_at(image, u"d\\17").stream.region_offset,
            file_at(image, u"1").stream.region_offset);
  EXPECT_EQ("2999", content(image, u"d\\2999"));
}

// A table of 1024 records takes 104 KiB.
TEST_F(WriterTest, AForkSharesTheFileTablesOfUnchangedFiles) {
  const auto path_of = [](int directory, int file) {
    return linux_to_image_path(fmt::format("{}/sub/{}", directory, file));
  };
  {
    Writer writer(fresh());
    for (int directory = 0; directory < 10; ++directory) {
      const std::u16string path = linux_to_image_path(std::to_string(directory));
      writer.create_directory(path, {});
      writer.create_directory(path + u"\\sub", {});
      for (int file = 0; file < 1000; ++file) put(writer, path_of(directory, file), "");
    }
    writer.commit();
  }
  const std::uint64_t before = disk_usage();
  {
    Writer writer(forking("a.cim", "b.cim"));
    for (int directory = 0; directory < 10; ++directory) {
      put(writer, path_of(directory, 0), "changed");
    }
    writer.commit();
  }
  // The table of the directories, the last one, to which the new files are added, and small things.
  EXPECT_LT(disk_usage() - before, 600u << 10);
  EXPECT_EQ("changed", content(open("b.cim"), path_of(9, 0)));
}

TEST_F(WriterTest, AForkSharesFilesThatAreMostlyHoles) {
  const auto put_sparse = [](Writer& writer, std::u16string_view path, std::uint64_t position) {
    WriteStream stream = writer.create_file(path, {}, std::uint64_t{1} << 40);
    stream.write_at(3 << 20, bytes(random_content(100000)));
    stream.write_at(position, bytes("data"));
  };
  {
    Writer writer(fresh());
    put_sparse(writer, u"disk", std::uint64_t{1} << 39);
    put_sparse(writer, u"equal", std::uint64_t{1} << 39);
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    put_sparse(writer, u"copy", std::uint64_t{1} << 39);
    put_sparse(writer, u"other", (std::uint64_t{1} << 39) + 1);
    writer.commit();
  }
  const Image image = open("b.cim");
  const std::uint64_t disk = file_at(image, u"disk").stream.region_offset;
  EXPECT_EQ(disk, file_at(image, u"equal").stream.region_offset);
  EXPECT_EQ(disk, file_at(image, u"copy").stream.region_offset);
  EXPECT_NE(disk, file_at(image, u"other").stream.region_offset);
}

TEST_F(WriterTest, ManyGenerationsStayReadable) {
  Writer(fresh()).commit();
  for (int i = 0; i < 20; ++i) {
    Writer writer(extending());
    put(writer, linux_to_image_path(std::to_string(i)), std::to_string(i));
    if (i >= 2) writer.remove(linux_to_image_path(std::to_string(i - 2)));
    writer.commit();
  }
  const Image image = open();
  EXPECT_THAT(list(image, u""), ElementsAre("18", "19"));
  EXPECT_EQ("18", content(image, u"18"));
}

TEST_F(WriterTest, WhatIsInheritedGoesAndWhatIsNewStays) {
  {
    Writer writer(fresh());
    for (const char16_t* path : {u"d", u"d\\e", u"d\\f", u"g"}) writer.create_directory(path, {});
    for (const char16_t* path : {u"d\\old", u"d\\e\\old", u"d\\f\\old", u"g\\old"})
      put(writer, path, "");
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, u"d\\e\\new", "");
    writer.create_directory(u"g", {});
    writer.remove_inherited(u"d");
    writer.remove_inherited(u"g");
    writer.remove_inherited(u"d\\e\\new");
    writer.remove_inherited(u"missing");
    writer.remove_inherited(u"missing\\too");
    EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.remove_inherited(u""); }));
    writer.commit();
  }
  const Image image = open("b.cim");
  EXPECT_THAT(list(image, u""), ElementsAre("d", "g"));
  EXPECT_THAT(list(image, u"d"), ElementsAre("e"));
  EXPECT_THAT(list(image, u"d\\e"), ElementsAre("new"));
  EXPECT_THAT(list(image, u"g"), IsEmpty());
  EXPECT_EQ(image.link_count(file_at(image, u"d")), 3U);
}

TEST_F(WriterTest, TheInheritedContentsOfTheRootGo) {
  {
    Writer writer(fresh());
    put(writer, u"old", "");
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, u"new", "");
    writer.remove_inherited_contents(u"");
    writer.remove_inherited_contents(u"missing");
    writer.commit();
  }
  EXPECT_THAT(list(open("b.cim"), u""), ElementsAre("new"));
}

TEST_F(WriterTest, WhatIsInheritedInADeepTreeGoes) {
  std::u16string path = u"d";
  {
    Writer writer(fresh());
    writer.create_directory(path, {});
    for (int depth = 1; depth < 2000; ++depth) writer.create_directory(path += u"\\d", {});
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, path + u"\\new", "");
    writer.remove_inherited(u"d");
    EXPECT_EQ(writer.find(path + u"\\new"), Writer::Kind::file);
    writer.remove(path + u"\\new");
    writer.remove_inherited(u"d");
    EXPECT_EQ(writer.find(u"d"), Writer::Kind::none);
  }
}

TEST_F(WriterTest, LinkCountsFollowTheChangesOfAFork) {
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    writer.create_directory(u"d\\e", {});
    put(writer, u"a", "three names");
    writer.create_hard_link(u"b", u"a");
    writer.create_hard_link(u"d\\e\\c", u"a");
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    writer.remove(u"d");  // and c, deep below it
    writer.create_directory(u"f", {});
    writer.create_directory(u"g", {});
    writer.commit();
  }
  const Image parent = open("a.cim");
  EXPECT_EQ(3u, parent.link_count(file_at(parent, u"a")));
  EXPECT_EQ(3u, parent.link_count(file_at(parent, u"")));
  EXPECT_EQ(3u, parent.link_count(file_at(parent, u"d")));
  const Image child = open("b.cim");
  EXPECT_EQ(2u, child.link_count(file_at(child, u"a")));
  EXPECT_EQ(4u, child.link_count(file_at(child, u"")));
}

// A list of one attribute.
format::EaBuilder attribute_list(std::string_view name) {
  format::EaBuilder list;
  list.add(name, bytes("value"));
  return list;
}

TEST_F(WriterTest, NamesOfLinuxXattrsAreKnown) {
  const auto add = [](Writer& writer, std::u16string_view path, std::string_view name) {
    const format::EaBuilder list = attribute_list(name);
    Metadata metadata;
    metadata.extended_attributes = list.list();
    put(writer, path, "x", metadata);
  };
  {
    Writer writer(fresh());
    add(writer, u"a", "LX.security.one");
    writer.commit();
  }
  {
    Writer writer(extending("a.cim"));
    add(writer, u"b", "LX.system.two");
    add(writer, u"c", "OTHER");
    writer.commit();
  }
  const auto names = ImageInternals(open("a.cim")).attribute_names();
  ASSERT_TRUE(names);
  EXPECT_TRUE(names->may_include("LX.security.one"));
  EXPECT_TRUE(names->may_include("LX.system.two"));
  EXPECT_FALSE(names->may_include("LX.security.three"));
  EXPECT_FALSE(names->may_include("LX.user.four"));
}

// There may be any number of `user.` attributes; the kernel asks for the others.
TEST_F(WriterTest, ManyNamesOfUserXattrsCountAsOne) {
  {
    Writer writer(fresh());
    for (int i = 0; i < 2000; ++i) {
      const format::EaBuilder list = attribute_list(fmt::format("LX.user.n{}", i));
      Metadata metadata;
      metadata.extended_attributes = list.list();
      put(writer, linux_to_image_name(std::to_string(i)), "x", metadata);
    }
    writer.commit();
  }
  const auto names = ImageInternals(open("a.cim")).attribute_names();
  ASSERT_TRUE(names);
  EXPECT_TRUE(names->may_include("LX.user.any"));
  EXPECT_FALSE(names->may_include("LX.system.posix_acl_access"));
}

TEST_F(WriterTest, OnlyImagesWhoseFilesAreManyOrHaveABaseNeedTheExtension) {
  const auto has_extension = [this] {
    return open("a.cim").file(open("a.cim").root()).stream_table_offset != 0;
  };
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    for (int i = 0; i < 1022; ++i) put(writer, linux_to_image_name(std::to_string(i)), "");
    writer.commit();
  }
  EXPECT_FALSE(has_extension());
  EXPECT_EQ(3u, open("a.cim").link_count(file_at(open("a.cim"), u"")));
  {
    Writer writer(extending("a.cim"));
    put(writer, u"one more", "");
    writer.commit();
  }
  EXPECT_TRUE(has_extension());
  EXPECT_EQ(3u, open("a.cim").link_count(file_at(open("a.cim"), u"")));
}

TEST_F(WriterTest, TheLastForkIsToldFromItsParent) {
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    writer.create_directory(u"e", {});
    put(writer, u"d\\old", "old");
    writer.commit();
  }
  {
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, u"d\\new", "new");
    writer.commit();
  }
  {
    Writer writer(extending("b.cim"));
    put(writer, u"newer", "newer");
    writer.commit();
  }
  const Image child = open("b.cim");
  std::vector<FileId> expected;
  for (const char16_t* path : {u"", u"d", u"d\\new", u"newer"}) {
    expected.push_back(child.resolve(path).value());
  }
  EXPECT_THAT(child.files_of_last_fork(), testing::UnorderedElementsAreArray(expected));
  EXPECT_EQ(4u, open("a.cim").files_of_last_fork().size());
}

TEST_F(WriterTest, AFileThatLosesItsParentDirectoryGetsAnother) {
  {
    Writer writer(fresh());
    writer.create_directory(u"d", {});
    writer.create_directory(u"e", {});
    put(writer, u"d\\file", "x");
    writer.create_hard_link(u"e\\file", u"d\\file");
    writer.commit();
  }
  ASSERT_EQ(file_at(open(), u"d").id, file_at(open(), u"e\\file").parent);
  {
    Writer writer(extending());
    writer.remove(u"d");
    writer.commit();
  }
  EXPECT_EQ(file_at(open(), u"e").id, file_at(open(), u"e\\file").parent);
}

TEST_F(WriterTest, NamesDifferByCaseUnlessTheImageIsCaseInsensitive) {
  {
    Writer writer(fresh());
    put(writer, u"xt_MARK.h", "upper");
    put(writer, u"xt_mark.h", "lower");
    writer.commit();
  }
  EXPECT_EQ("upper", content(open(), u"xt_MARK.h"));
  EXPECT_EQ("lower", content(open(), u"xt_mark.h"));
  Writer::Options options = fresh("b.cim");
  options.case_insensitive = true;
  Writer writer(options);
  put(writer, u"README", "first");
  put(writer, u"ReadMe", "second");
  writer.commit();
  const Image image = open("b.cim");
  EXPECT_FALSE(image.case_sensitive());
  EXPECT_THAT(list(image, u""), ElementsAre("ReadMe"));
  EXPECT_EQ("second", content(image, u"readme"));
}

TEST_F(WriterTest, EqualImagesAreEqualFiles) {
  const auto build = [](const std::string& directory) {
    Writer writer({.directory = directory, .existing = {}, .name = "a.cim"});
    writer.create_directory(u"", {.last_write_time = 5});
    writer.create_directory(u"d", {.last_write_time = 6});
    put(writer, u"d\\large", random_content(100000));
    put(writer, u"d\\small", "small");
    writer.create_file(u"holes", {}, 16 << 20).write_at(1 << 20, bytes("x"));
    writer.commit();
  };
  test::TemporaryDirectory other;
  build(directory_.string());
  build(other.string());
  test::expect_same_files(directory_.string(), other.string());
}

TEST_F(WriterTest, AnImageDoesNotDependOnWhatIsStoredAtOnce) {
  const auto build = [](const std::string& directory, bool one_by_one) {
    Writer writer({.directory = directory, .existing = {}, .name = "a.cim"});
    const std::vector<std::size_t> sizes = {100,  20000,   30000,   0,      16384, 20000,
                                            4096, 3 << 20, 9000000, 100000, 30,    9000000};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const std::string text = random_content(sizes[i]);
      WriteStream stream =
          writer.create_file(linux_to_image_path("file" + std::to_string(i)), {}, text.size());
      // No file to share blocks with: just waits until everything before is stored.
      const bool shared = one_by_one && stream.share(-1);
      EXPECT_FALSE(shared);
      stream.write(bytes(text));
    }
    writer.commit();
  };
  test::TemporaryDirectory other;
  build(directory_.string(), false);
  build(other.string(), true);
  test::expect_same_files(directory_.string(), other.string());
}

TEST_F(WriterTest, EqualImagesInOneDirectoryShareTheirFiles) {
  const auto build = [this](const std::string& name) {
    Writer::Options options = fresh(name);
    options.replace = true;
    Writer writer(options);
    put(writer, u"file", "same");
    put(writer, u"large", random_content(3 << 20));
    writer.create_file(u"holes", {}, std::uint64_t{1} << 40).write_at(1 << 20, bytes("x"));
    writer.commit();
  };
  build("a.cim");
  const std::size_t before = files().size();
  build("b.cim");
  EXPECT_EQ(before + 1, files().size());
  build("a.cim");
  EXPECT_EQ(before + 1, files().size());
  EXPECT_EQ(open("a.cim").region_sets()[0].id, open("b.cim").region_sets()[0].id);

  // One image is replaced, the other stays.
  Writer::Options options = fresh("a.cim");
  options.replace = true;
  Writer(options).commit();
  EXPECT_EQ("same", content(open("b.cim"), u"file"));
}

TEST_F(WriterTest, ADamagedRegionFileIsNotShared) {
  const auto build = [this](const std::string& name) {
    Writer writer(fresh(name));
    put(writer, u"file", "same");
    writer.commit();
  };
  build("a.cim");
  const auto regions = open("a.cim").region_sets()[0].regions;
  ASSERT_EQ(2u, regions.size());
  ASSERT_EQ(0, unlink(regions[0].path.c_str()));
  ASSERT_EQ(0, truncate(regions[1].path.c_str(), 0));
  build("b.cim");
  EXPECT_EQ("same", content(open("b.cim"), u"file"));
}

TEST_F(WriterTest, AnImageInUseIsNotReplaced) {
  Writer(fresh()).commit();
  const std::size_t before = files().size();
  const int fd = ::open((directory_ / "a.cim").c_str(), O_RDONLY | O_CLOEXEC);
  {
    Writer writer(extending());
    put(writer, u"file", "x");
    ASSERT_EQ(0, flock(fd, LOCK_SH));  // as the daemon does for what it has mounted
    EXPECT_EQ(Errc::sharing_violation, error_of([&] { writer.commit(); }));
  }
  EXPECT_EQ(Errc::sharing_violation, error_of([&] { const Writer refused(extending()); }));
  EXPECT_EQ(before, files().size());
  EXPECT_THAT(list(open(), u""), IsEmpty());
  EXPECT_EQ(std::nullopt, error_of([&] { Writer(forking("a.cim", "b.cim")).commit(); }));
  close(fd);
  EXPECT_EQ(std::nullopt, error_of([&] { Writer(extending()).commit(); }));
}

TEST_F(WriterTest, AnObjectIdFileThatLiesDoesNotChangeContents) {
  {
    Writer writer(fresh());
    put(writer, u"one", "content one");
    put(writer, u"two", "content two");
    writer.commit();
  }
  // Let every entry point at the first object.
  for (const std::string& name : files()) {
    if (!name.starts_with("objectid")) continue;
    std::fstream file(directory_ / name, std::ios::in | std::ios::out | std::ios::binary);
    for (int entry = 0; entry < 2; ++entry) {
      const std::uint64_t offset = 40;
      file.seekp(48 + entry * 40 + 32);
      file.write(reinterpret_cast<const char*>(&offset), sizeof(offset));
    }
  }
  Writer writer(extending());
  put(writer, u"three", "content two");
  writer.commit();
  EXPECT_EQ("content two", content(open(), u"three"));
}

// To read them all takes most of the time of a fork of a large image.
TEST_F(WriterTest, AForkReadsOnlyTheObjectIdsThatItNeeds) {
  {
    Writer writer(fresh());
    put(writer, u"file", "content");
    writer.commit();
  }
  const auto fork = [this](const std::string& name) {
    const std::uint64_t before = page_faults();
    Writer writer(forking("a.cim", name));
    put(writer, u"again", "content");
    writer.commit();
    return page_faults() - before;
  };
  const std::uint64_t with_few = fork("b.cim");
  constexpr std::uint32_t count = 5'000'000;
  for (const std::string& name : object_id_files()) put_empty_object_ids_first(name, count);
  EXPECT_LT(fork("c.cim"), with_few + 300);  // 1,000 more for all
  const Image image = open("c.cim");
  EXPECT_EQ(file_at(image, u"file").stream.region_offset,
            file_at(image, u"again").stream.region_offset);
}

TEST_F(WriterTest, ObjectIdFilesOfVersion2AreNotUsed) {
  {
    Writer writer(fresh());
    put(writer, u"file", "content");
    writer.commit();
  }
  for (const std::string& name : object_id_files()) {
    change_object_ids(
        name, [](format::ObjectIdHeader& header, auto&) { header.common.version_major = 2; });
  }
  Writer writer(extending());
  put(writer, u"again", "content");
  writer.commit();
  const Image image = open();
  EXPECT_NE(file_at(image, u"file").stream.region_offset,
            file_at(image, u"again").stream.region_offset);
}

TEST_F(WriterTest, AnObjectIdFileThatBecomesShorterMeanwhileIsToldOf) {
  {
    Writer writer(fresh());
    put(writer, u"file", "content");
    writer.commit();
  }
  // Another thread looks up the data; the metadata has been looked up once by then.
  const auto write = [this] {
    static const int exit_status = 7;
    exit_at_mapping_faults(exit_status);
    Writer writer(forking("a.cim", "b.cim"));
    put(writer, u"one", "other content");
    put_stream(writer, u"one", u"stored", "by now");
    for (const std::string& name : object_id_files()) {
      boost::filesystem::resize_file(directory_ / name, 0);
    }
    put(writer, u"two", "yet other content");
    put_stream(writer, u"two", u"stored", "too");
  };
  EXPECT_EXIT(write(), testing::ExitedWithCode(7),
              "^writer_test: .*objectid_.*: cannot be read any more: it has become shorter");
}

TEST_F(WriterTest, AMissingObjectIdFileOnlyCostsSpace) {
  {
    Writer writer(fresh());
    put(writer, u"one", "content");
    writer.commit();
  }
  for (const std::string& name : files()) {
    if (name.starts_with("objectid")) unlink((directory_ / name).c_str());
  }
  Writer writer(extending());
  put(writer, u"two", "content");
  writer.commit();
  EXPECT_EQ("content", content(open(), u"one"));
  EXPECT_EQ("content", content(open(), u"two"));
}

TEST_F(WriterTest, ADeepTreeIsBuiltAndRemoved) {
  std::u16string path = u"d";
  {
    Writer writer(fresh());
    writer.create_directory(path, {});
    while (path.size() < 8000) {
      path += u"\\d";
      writer.create_directory(path, {});
    }
    writer.commit();
  }
  {
    const Image image = open();
    EXPECT_TRUE(image.resolve(path).has_value());
  }
  Writer writer(extending());
  writer.remove(u"d");
  writer.commit();
  EXPECT_THAT(list(open(), u""), IsEmpty());
}

ByteView descriptor_at(const Image& image, std::u16string_view path) {
  return image.security_descriptor(file_at(image, path));
}

TEST_F(WriterTest, FilesGetTheDescriptorOfWhatTheyReplaceOrAnOpenOne) {
  constexpr std::array<std::uint8_t, 20> own = {1, 1, 4, 0x80};
  const ByteView own_bytes = std::as_bytes(std::span(own));
  const ByteView open_bytes = std::as_bytes(std::span(format::open_security_descriptor));
  const auto complete = [](Writer::Options options) {
    options.complete_descriptors = true;
    return options;
  };
  {
    Writer writer(complete(fresh()));
    writer.create_directory(u"d", {.security_descriptor = own_bytes});
    put(writer, u"d\\own", "1", {.security_descriptor = own_bytes});
    put(writer, u"d\\none", "2");
    writer.commit();
  }
  {
    Writer writer(complete(extending("a.cim")));
    writer.create_directory(u"", {});
    writer.create_directory(u"d", {});
    put(writer, u"d\\own", "3");
    put(writer, u"d\\new", "4");
    writer.commit();
  }
  const Image image = open("a.cim");
  for (const char16_t* path : {u"d", u"d\\own"}) {
    EXPECT_TRUE(std::ranges::equal(own_bytes, descriptor_at(image, path)));
  }
  for (const char16_t* path : {u"", u"d\\none", u"d\\new"}) {
    EXPECT_TRUE(std::ranges::equal(open_bytes, descriptor_at(image, path)));
  }
  EXPECT_EQ(file_at(image, u"").security_descriptor_offset,
            file_at(image, u"d\\new").security_descriptor_offset);
}

// A directory that cannot be removed because an entry has no file.
TEST_F(WriterTest, AFileThatCannotReplaceAnotherLeavesNoOpenStream) {
  test::ForgedImage forged;
  forged.write(directory_.string(),
               {{.default_stream = forged.directory({{u"d", 2}, {u"f", 3}}), .parent = 1},
                {.default_stream = forged.directory({{u"lost", 99}}), .parent = 1},
                {.default_stream = forged.file_data("f"), .stream_table = 1, .parent = 1}});
  using Create = std::function<void(Writer&)>;
  for (const Create& create :
       {Create([](Writer& writer) { writer.create_file(u"d", {}, 1); }),
        Create([](Writer& writer) { writer.create_named_stream(u"f", u"s", 1); })}) {
    Writer writer(extending("forged.cim"));
    EXPECT_EQ(Errc::corrupt, error_of([&] { create(writer); }));
    EXPECT_EQ(Errc::corrupt, error_of([&] { writer.remove(u"d"); }));  // no sharing violation
    EXPECT_EQ(Errc::corrupt, error_of([&] { writer.commit(); }));
  }
}

TEST_F(WriterTest, WhatIsInheritedFromABrokenImageIsNotRemovedByHalves) {
  test::ForgedImage forged;
  forged.write(
      directory_.string(),
      {{.default_stream = forged.directory({{u"d", 2}, {u"e", 3}}), .parent = 1},
       {.default_stream = forged.directory({{u"a", 4}, {u"c", 4}, {u"b", 4}}), .parent = 1},
       {.default_stream = forged.directory({{u"f", 4}, {u"lost", 99}}), .parent = 1},
       {.default_stream = forged.file_data("text"), .parent = 2}});
  using Remove = std::function<void(Writer&)>;
  for (const Remove& remove :
       {Remove([](Writer& writer) { writer.remove_inherited_contents(u"d"); }),
        Remove([](Writer& writer) { writer.remove_inherited(u"e"); })}) {
    Writer writer(extending("forged.cim"));
    EXPECT_EQ(Errc::corrupt, error_of([&] { remove(writer); }));
    EXPECT_EQ(Errc::corrupt, error_of([&] { put(writer, u"new", ""); }));
    EXPECT_EQ(Errc::corrupt, error_of([&] { writer.commit(); }));
  }
}

TEST_F(WriterTest, WhatAForkReplacesIsRemoved) {
  for (const char* name : {"base.cim", "old.cim"}) {
    Writer writer(fresh(name));
    put(writer, u"file", name);
    writer.commit();
  }
  const std::string old_region = open("old.cim").region_sets()[0].regions[0].path;
  Writer::Options options = forking("base.cim", "old.cim");
  options.replace = true;
  Writer writer(options);
  put(writer, u"new", "new");
  writer.commit();
  EXPECT_FALSE(boost::filesystem::exists(old_region));
  EXPECT_EQ("base.cim", content(open("old.cim"), u"file"));
}

TEST_F(WriterTest, FilesThatEqualImagesShareAreReadableByAllWhoMayReadEither) {
  const auto build = [this](const char* name, mode_t mask) {
    const mode_t before = umask(mask);
    Writer writer(fresh(name));
    put(writer, u"file", "same");
    writer.commit();
    umask(before);
  };
  build("private.cim", 077);
  build("public.cim", 022);
  build("private too.cim", 077);
  const Image image = open("public.cim");
  EXPECT_EQ(image.region_sets()[0].id, open("private.cim").region_sets()[0].id);
  for (const std::string& name : files()) {
    struct stat status;
    ASSERT_EQ(0, stat((directory_ / name).c_str(), &status));
    EXPECT_EQ(name.starts_with("private") ? 0600 : 0644, status.st_mode & 0777) << name;
  }
}

}  // namespace
}  // namespace cim
