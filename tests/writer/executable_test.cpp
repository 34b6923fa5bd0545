// Executables as stored by Writer.
#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include <cim/writer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/pe_layout.h"
#include "image/check.h"
#include "image/internals.h"
#include "support/forged_executable.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::bytes;
using test::content;
using test::file_at;
using test::ForgedExecutable;
using test::put;
using testing::IsEmpty;

// An executable with `section_size` bytes in each of its three sections, and an overlay.
ForgedExecutable large_executable(std::uint32_t section_size) {
  ForgedExecutable executable;
  executable.sections.clear();
  std::uint32_t offset = 0x400;
  std::uint32_t address = 0x1000;
  for (int i = 0; i < 3; ++i) {
    executable.sections.push_back({address, section_size, offset, section_size});
    offset += section_size;
    address += (section_size + 0xFFF) / 0x1000 * 0x1000;
  }
  executable.image_size = address;
  executable.length = offset + 1000;
  return executable;
}

class ExecutableTest : public testing::Test {
 protected:
  Writer::Options options(const std::string& name = "a.cim") const {
    return {
        .directory = directory_.string(), .existing = {}, .name = name, .expand_executables = true};
  }
  Image open(const std::string& name = "a.cim") const { return Image(directory_ / name); }

  // Lets `write` write `text` to `f`, the only file of an image, and expects to read it back.
  // Returns whether `f` is stored as an executable.
  template <typename Write>
  bool is_expanded(const std::string& text, Write&& write) {
    Writer writer(options());
    WriteStream stream = writer.create_file(u"f", {}, text.size());
    write(stream);
    stream.close();
    writer.commit();
    const Image image = open();
    EXPECT_TRUE(content(image, u"f") == text);
    const bool expanded = file_at(image, u"f").stream.type == StreamType::pe_image;
    boost::filesystem::remove(directory_ / "a.cim");
    return expanded;
  }

  bool is_expanded(const std::string& text) {
    return is_expanded(text, [&](WriteStream& stream) { stream.write(bytes(text)); });
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(ExecutableTest, EachSectionStartsAtAPageOfTheRegion) {
  ForgedExecutable executable(100);
  const std::string text = executable.bytes();
  {
    Writer writer(options());
    put(writer, u"other", "text");
    put(writer, u"f", text);
    writer.commit();
  }
  const Image image = open();
  EXPECT_EQ(text, content(image, u"f"));
  const Stream stream = file_at(image, u"f").stream;
  ASSERT_EQ(StreamType::pe_image, stream.type);
  EXPECT_EQ(text.size(), stream.length);
  for (const std::uint64_t start : {0x0, 0x400, 0xA00, 0x1C00, 0x1E00}) {
    EXPECT_EQ(0u, image.extent(stream, start, 1).position % format::page_size) << start;
  }
  const PeImageObject object = ImageInternals(image).pe_image(stream);
  EXPECT_EQ(0x5000u + 100, object.header.data_length);
  EXPECT_EQ(executable.image_size, object.header.image_length);
  EXPECT_EQ(4u, object.header.mapping_count);
  EXPECT_EQ(1u, object.header.flags);
}

TEST_F(ExecutableTest, HowItIsWrittenDoesNotMatter) {
  for (const std::string& text :
       {ForgedExecutable(100).bytes(), large_executable(0x42600).bytes()}) {
    for (const std::size_t size : {1, 63, 1000, 100000, 1000000}) {
      if (text.size() / size > 100000) continue;
      EXPECT_TRUE(is_expanded(text, [&](WriteStream& stream) {
        for (std::size_t offset = 0; offset < text.size(); offset += size) {
          stream.write(bytes(text).subspan(offset, std::min(size, text.size() - offset)));
        }
      })) << size;
    }
  }
}

TEST_F(ExecutableTest, AfterTheHeadersAnyOrderWillDo) {
  const std::string text = large_executable(0x42600).bytes();
  EXPECT_TRUE(is_expanded(text, [&](WriteStream& stream) {
    stream.write(bytes(text).first(0x400));
    stream.write_at(0x50000, bytes(text).subspan(0x50000));
    stream.write_at(0x400, bytes(text).subspan(0x400, 0x50000 - 0x400));
  }));
  EXPECT_TRUE(is_expanded(text, [&](WriteStream& stream) {
    stream.write(bytes(text));
    stream.write_at(100, bytes(text).subspan(100, 0x60000));
  }));
}

TEST_F(ExecutableTest, OneWhoseHeadersDoNotComeFirstIsStoredPlainly) {
  const std::string text = ForgedExecutable(100).bytes();
  EXPECT_FALSE(is_expanded(text, [&](WriteStream& stream) {
    stream.write_at(0x400, bytes(text).subspan(0x400));
    stream.write_at(0, bytes(text).first(0x400));
  }));
  EXPECT_FALSE(is_expanded(text, [&](WriteStream& stream) {
    stream.write(bytes(text).first(100));
    stream.write_at(200, bytes(text).subspan(200));
    stream.write_at(100, bytes(text).subspan(100, 100));
  }));
  EXPECT_FALSE(is_expanded(text, [&](WriteStream& stream) {
    stream.write(bytes(text).first(100));
    stream.write_at(0, bytes(text));
  }));
}

TEST_F(ExecutableTest, WhatIsNeverWrittenReadsAsZeros) {
  const ForgedExecutable executable = large_executable(0x42600);
  std::string text = executable.bytes();
  std::fill(text.begin() + 0x50000, text.end(), '\0');
  EXPECT_TRUE(
      is_expanded(text, [&](WriteStream& stream) { stream.write(bytes(text).first(0x50000)); }));
  text.resize(executable.length);
  std::fill(text.begin() + 100, text.end(), '\0');
  EXPECT_FALSE(
      is_expanded(text, [&](WriteStream& stream) { stream.write(bytes(text).first(100)); }));
  EXPECT_FALSE(is_expanded(std::string(100, '\0'), [](WriteStream&) {}));
}

TEST_F(ExecutableTest, WhatIsNoneIsStoredPlainly) {
  EXPECT_TRUE(is_expanded(ForgedExecutable().bytes()));
  EXPECT_FALSE(is_expanded(""));
  EXPECT_FALSE(is_expanded("M"));
  EXPECT_FALSE(is_expanded("MZ"));
  EXPECT_FALSE(is_expanded("#!/bin/sh\n" + std::string(100000, 'x')));
  EXPECT_FALSE(is_expanded("MZ" + std::string(100000, 'x')));
  EXPECT_FALSE(is_expanded("MZ" + std::string(100000, '\0')));
  EXPECT_FALSE(is_expanded(ForgedExecutable().bytes().substr(0, 300)));
  ForgedExecutable aligned;
  aligned.length = 0x3000;
  aligned.headers_size = 0x1000;
  aligned.sections = {{0x1000, 0x1000, 0x1000, 0x1000}, {0x2000, 0x1000, 0x2000, 0x1000}};
  EXPECT_FALSE(is_expanded(aligned.bytes())) << "nothing would change";
}

TEST_F(ExecutableTest, OnlyFilesAreExpandedAndOnlyIfAsked) {
  const std::string text = ForgedExecutable().bytes();
  {
    Writer writer(options());
    put(writer, u"f", "text");
    writer.create_named_stream(u"f", u"s", text.size()).write(bytes(text));
    writer.commit();
  }
  const Image image = open();
  const Stream stream = image.find_named_stream(file_at(image, u"f"), u"s").value();
  EXPECT_EQ(StreamType::data, stream.type);
  EXPECT_EQ(text, content(image, stream));

  Writer writer({.directory = directory_.string(), .existing = {}, .name = "b.cim"});
  put(writer, u"f", text);
  writer.commit();
  EXPECT_EQ(StreamType::data, file_at(open("b.cim"), u"f").stream.type);
}

TEST_F(ExecutableTest, OneThatIsRewrittenIsForgotten) {
  const std::string text = large_executable(8192).bytes();
  Writer writer(options());
  put(writer, u"f", text);
  WriteStream stream = writer.rewrite_file(u"f", {}, 3);
  stream.write(bytes("new"));
  stream.close();
  writer.commit();
  EXPECT_EQ("new", content(open(), u"f"));
}

TEST_F(ExecutableTest, EqualOnesAreOneAlsoInAFork) {
  const std::string text = large_executable(0x1600).bytes();
  {
    Writer writer(options());
    put(writer, u"a", text);
    put(writer, u"b", text);
    put(writer, u"c", text);
    writer.remove(u"a");
    writer.commit();
  }
  const Image image = open();
  const Stream first = file_at(image, u"b").stream;
  EXPECT_EQ(first.region_offset, file_at(image, u"c").stream.region_offset);
  {
    Writer::Options fork = options("b.cim");
    fork.existing = "a.cim";
    Writer writer(fork);
    put(writer, u"d", text);
    writer.commit();
  }
  const Image fork = open("b.cim");
  EXPECT_EQ(text, content(fork, u"b"));
  EXPECT_EQ(text, content(fork, u"d"));
  EXPECT_EQ(ImageInternals(fork).pe_image(first).header.data,
            ImageInternals(fork).pe_image(file_at(fork, u"d").stream).header.data);
}

// Also holds where another object was dropped before.
TEST_F(ExecutableTest, TheBytesBetweenTheSectionsAreZeros) {
  const ForgedExecutable executable = large_executable(0x1600);
  const std::string filler(100000, 'x');
  {
    Writer writer(options());
    put(writer, u"a", filler);
    put(writer, u"b", filler);
    put(writer, u"f", executable.bytes());
    writer.commit();
  }
  const Image image = open();
  const Stream stream = file_at(image, u"f").stream;
  const PeImageObject object = ImageInternals(image).pe_image(stream);
  const Stream stored = {.region_offset = object.header.data, .length = object.header.data_length};
  std::string expected(stored.length, '\0');
  const std::string text = executable.bytes();
  for (std::uint64_t offset = 0; offset < text.size();) {
    const auto part = format::find_pe_part(object.mappings, offset, text.size() - offset);
    expected.replace(part.position, part.length, text, offset, part.length);
    offset += part.length;
  }
  EXPECT_TRUE(content(image, stored) == expected);
}

class Problems : public CheckObserver {
 public:
  void found(bool, const std::string& message) override { messages.push_back(message); }
  void expect(std::uint64_t, std::uint64_t) override {}
  void advance(std::uint64_t, std::uint64_t) override {}

  std::vector<std::string> messages;
};

TEST_F(ExecutableTest, ACheckFindsNothingWrong) {
  {
    Writer writer(options());
    put(writer, u"f", ForgedExecutable(100).bytes());
    put(writer, u"g", large_executable(0x42600).bytes());
    writer.commit();
  }
  Problems problems;
  check_image(directory_ / "a.cim", true, problems);
  EXPECT_THAT(problems.messages, IsEmpty());
}

TEST_F(ExecutableTest, EqualImagesAreEqualFiles) {
  const auto build = [](const std::string& directory, std::size_t piece) {
    Writer writer({.directory = directory, .name = "a.cim", .expand_executables = true});
    const std::array<std::uint8_t, 20> descriptor = {1, 0, 0, 0x80};
    for (int i = 0; i < 100; ++i) {
      const std::string text = large_executable(0x200 * (1 + i)).bytes();
      const Metadata metadata = {.last_write_time = i,
                                 .security_descriptor = std::as_bytes(std::span(descriptor))};
      WriteStream stream =
          writer.create_file(linux_to_image_path(std::to_string(i)), metadata, text.size());
      for (std::size_t offset = 0; offset < text.size(); offset += piece) {
        stream.write(bytes(text).subspan(offset, std::min(piece, text.size() - offset)));
      }
    }
    writer.commit();
  };
  test::TemporaryDirectory other;
  build(directory_.string(), 100);
  build(other.string(), 100000);
  for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
    const std::string name = entry.path().filename().string();
    std::ifstream a(directory_ / name);
    std::ifstream b(other / name);
    ASSERT_TRUE(b) << name;
    EXPECT_TRUE(
        std::equal(std::istreambuf_iterator<char>(a), {}, std::istreambuf_iterator<char>(b), {}))
        << name;
  }
}

}  // namespace
}  // namespace cim
