// What cim shows of the metadata that Windows keeps.
#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_test.h"
#include "format/reparse.h"
#include "format/sddl.h"
#include "support/image_content.h"
#include "support/windows_links.h"

namespace cim::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

constexpr std::int64_t second = 10'000'000;                  // in FILETIMEs
constexpr std::int64_t year_2001 = 126'227'808'000'000'000;  // its first second

// Makes images as Windows would, whose names have no case.
class WindowsMetadata : public CliTest {
 protected:
  WindowsMetadata() { setenv("TZ", "UTC", 1); }

  // Calls build(writer) for app.cim.
  template <typename Build>
  void create_image(Build build) const {
    Writer::Options options;
    options.directory = directory();
    options.name = "app.cim";
    options.case_insensitive = true;
    Writer writer(options);
    build(writer);
    writer.commit();
  }

  static void put_stream(Writer& writer, std::u16string_view path, std::u16string_view name,
                         std::string_view content) {
    WriteStream stream = writer.create_named_stream(path, name, content.size());
    stream.write(test::bytes(content));
    stream.close();
  }

  // The file `Files\file.txt`, of which everything is known.
  void create_known_file() const {
    create_image([](Writer& writer) {
      writer.create_directory(u"Files", {});
      const auto descriptor = format::parse_sddl(known_sddl);
      test::put(writer, u"Files\\file.txt", "12345",
                {.attributes = attribute::hidden | attribute::archive | attribute::system,
                 .creation_time = year_2001 + 1,
                 .last_write_time = year_2001 + second,
                 .change_time = year_2001 + 2 * second,
                 .last_access_time = year_2001 + 3 * second,
                 .security_descriptor = descriptor});
      put_stream(writer, u"Files\\file.txt", u"Zone.Identifier", "[ZoneTransfer]");
    });
  }

  static constexpr std::string_view known_sddl =
      "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
      "G:S-1-5-21-1-2-3-513D:PAI(A;OICI;FA;;;SY)(A;;0x1200a9;;;BU)S:(ML;;NW;;;HI)";
};

TEST_F(WindowsMetadata, StatShowsAllOfIt) {
  create_known_file();
  const std::string text = succeed({"stat", "app.cim", "files/FILE.TXT"});
  for (const std::string& line :
       {std::string("    Access: 2001-01-01 00:00:03.0000000 +0000\n"
                    "    Modify: 2001-01-01 00:00:01.0000000 +0000\n"
                    "    Change: 2001-01-01 00:00:02.0000000 +0000\n"
                    "     Birth: 2001-01-01 00:00:00.0000001 +0000\n"
                    "Attributes: 0x26 (hidden, system, archive)\n"
                    " Owner SID: S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464 "
                    "(NT SERVICE\\TrustedInstaller)\n"
                    " Group SID: S-1-5-21-1-2-3-513\n"
                    "      SDDL: ") +
            std::string(known_sddl) + "\n",
        std::string("    Stream: Zone.Identifier (14 bytes)\n")}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(WindowsMetadata, StatJsonHasAllOfIt) {
  create_known_file();
  const Json file = Json::parse(succeed({"stat", "--json", "app.cim", "Files/file.txt"}));
  EXPECT_EQ(file["attributes"], Json::array({"hidden", "system", "archive"}));
  EXPECT_EQ(file["btime"], "2001-01-01T00:00:00.0000001Z");
  EXPECT_EQ(file["security"],
            Json({{"owner", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"},
                  {"owner_name", "NT SERVICE\\TrustedInstaller"},
                  {"group", "S-1-5-21-1-2-3-513"},
                  {"sddl", known_sddl}}));
  EXPECT_EQ(file["streams"], Json::array({{{"name", "Zone.Identifier"}, {"size", 14}}}));
}

TEST_F(WindowsMetadata, AFileWithoutADescriptorHasNoOwner) {
  create_image([](Writer& writer) { test::put(writer, u"file", ""); });
  EXPECT_THAT(succeed({"stat", "app.cim", "file"}), Not(HasSubstr("SDDL")));
  EXPECT_FALSE(Json::parse(succeed({"stat", "--json", "app.cim", "file"})).contains("security"));
  EXPECT_THAT(succeed({"ls", "--windows", "app.cim"}), HasSubstr("------ - 0 "));
}

TEST_F(WindowsMetadata, ReparseTagsHaveNames) {
  create_image([](Writer& writer) {
    for (const auto& [name, tag] :
         {std::pair(u"junction", format::tag_mount_point), {u"link", format::tag_symlink}}) {
      const auto data = test::windows_link(tag, u"target");
      test::put(writer, name, "", {.reparse_data = data});
    }
    const auto data = format::make_reparse_buffer(0x80001234, {});
    test::put(writer, u"other", "", {.reparse_data = data});
  });
  EXPECT_THAT(succeed({"stat", "app.cim", "junction"}),
              HasSubstr("   Reparse: 0xa0000003 (MOUNT_POINT)\n"));
  EXPECT_THAT(succeed({"stat", "app.cim", "link"}),
              HasSubstr("   Reparse: 0xa000000c (SYMLINK)\n"));
  EXPECT_THAT(succeed({"stat", "app.cim", "other"}), HasSubstr("   Reparse: 0x80001234\n"));
  const Json link = Json::parse(succeed({"stat", "--json", "app.cim", "link"}));
  EXPECT_EQ(link["reparse_tag_name"], "SYMLINK");
  const Json other = Json::parse(succeed({"stat", "--json", "app.cim", "other"}));
  EXPECT_EQ(other["reparse_tag"], 0x80001234);
  EXPECT_FALSE(other.contains("reparse_tag_name"));
}

// A descriptor with an entry that SDDL, or cim, has no text for; or with one that has no room for
// what its type needs, which nobody checks before.
TEST_F(WindowsMetadata, WhatCannotBeShownOfADescriptorIsSaid) {
  create_image([](Writer& writer) {
    for (const auto& [name, type, size] : {std::tuple(u"conditional", 9, 20), {u"broken", 0, 16}}) {
      auto descriptor = format::parse_sddl("O:BAG:SYD:(A;;FA;;;SY)");
      descriptor[28] = static_cast<std::byte>(type);
      descriptor[30] = static_cast<std::byte>(size);
      test::put(writer, name, "", {.security_descriptor = descriptor});
    }
  });
  EXPECT_THAT(succeed({"stat", "app.cim", "conditional"}),
              HasSubstr(" Owner SID: S-1-5-32-544 (BUILTIN\\Administrators)\n"
                        " Group SID: S-1-5-18 (NT AUTHORITY\\SYSTEM)\n"
                        "      SDDL: cannot be shown: access control entries of type XA, with a "
                        "condition or an attribute, are not supported\n"));
  const Json file = Json::parse(succeed({"stat", "--json", "app.cim", "broken"}));
  EXPECT_EQ(file["security"]["owner"], "S-1-5-32-544");
  EXPECT_FALSE(file["security"].contains("sddl"));
  EXPECT_EQ(file["security"]["problem"], "SID at 0 of 12 bytes reaches past the end at 8");
}

TEST_F(WindowsMetadata, ABrokenOwnerIsNoOwner) {
  create_image([](Writer& writer) {
    const auto descriptor = format::parse_sddl("O:S-1-5-21-305419896-1G:SY");
    test::put(writer, u"file", "", {.security_descriptor = descriptor});
  });
  const std::string region_file = region("metadata").substr(directory().size() + 1);
  std::string content = read(region_file);
  const std::size_t sid = content.find(std::string("\x01\x03\0\0\0\0\0\x05\x15", 9));
  ASSERT_NE(sid, std::string::npos);
  content[sid] = 9;
  write(region_file, content);
  EXPECT_THAT(succeed({"ls", "--windows", "app.cim"}), HasSubstr("------ ? 0 "));
  EXPECT_THAT(succeed({"stat", "app.cim", "file"}),
              HasSubstr("SDDL: cannot be shown: SID has revision 9 and 3 sub-authorities\n"));
}

TEST_F(WindowsMetadata, ListShowsAttributesOwnerSizeAndTime) {
  create_image([](Writer& writer) {
    const auto system = format::parse_sddl("O:SY");
    const auto user = format::parse_sddl("O:S-1-5-21-1-2-3-1001");
    writer.create_directory(u"Files", {.attributes = attribute::hidden | attribute::system,
                                       .last_write_time = year_2001,
                                       .security_descriptor = system});
    const auto link = test::windows_link(format::tag_symlink, u"to\\it");
    test::put(writer, u"link", "",
              {.last_write_time = year_2001, .security_descriptor = user, .reparse_data = link});
    test::put(writer, u"read", std::string(2000, 'x'),
              {.attributes = attribute::archive | attribute::read_only,
               .last_write_time = year_2001,
               .security_descriptor = system});
  });
  const std::string lines =
      "d--hs- NT AUTHORITY\\SYSTEM    0 Jan  1  2001 Files\n"
      "-----l S-1-5-21-1-2-3-1001    5 Jan  1  2001 link -> to/it\n"
      "-ar--- NT AUTHORITY\\SYSTEM 2000 Jan  1  2001 read\n";
  EXPECT_EQ(succeed({"ls", "--windows", "app.cim"}), "total 2\n" + lines);
  EXPECT_EQ(succeed({"ls", "-l", "--windows", "app.cim"}), "total 2\n" + lines);
  EXPECT_THAT(succeed({"ls", "-h", "--windows", "app.cim", "read"}),
              HasSubstr("NT AUTHORITY\\SYSTEM 2.0K Jan"));
}

TEST_F(WindowsMetadata, ListJsonHasItWhenAsked) {
  create_known_file();
  for (const std::vector<std::string>& files :
       {std::vector<std::string>{"Files"}, {"Files/file.txt"}, {"-R"}}) {
    std::vector<std::string> command = {"ls", "--json", "app.cim"};
    command.insert(command.end(), files.begin(), files.end());
    EXPECT_FALSE(Json::parse(succeed(command)).back().contains("attributes"));
    command.emplace_back("--windows");
    const Json file = Json::parse(succeed(command)).back();
    EXPECT_EQ(file["attributes"], Json::array({"hidden", "system", "archive"}));
    EXPECT_EQ(file["security"]["sddl"], known_sddl);
  }
}

TEST_F(WindowsMetadata, CatPrintsAlternateStreams) {
  create_image([](Writer& writer) {
    writer.create_directory(u"d", {});
    test::put(writer, u"d\\file", "content");
    put_stream(writer, u"d\\file", u"Stream", "of file");
    put_stream(writer, u"d\\file", u"\uf03a", "called :");
    put_stream(writer, u"d", u"own", "of d");
  });
  EXPECT_EQ(succeed({"cat", "app.cim", "d/file"}), "content");
  EXPECT_EQ(succeed({"cat", "app.cim", "d/file::$DATA"}), "content");
  EXPECT_EQ(succeed({"cat", "app.cim", "d/file:Stream"}), "of file");
  EXPECT_EQ(succeed({"cat", "app.cim", "D/FILE:STREAM:$DATA"}), "of file");
  EXPECT_EQ(succeed({"cat", "app.cim", "d/file::"}), "called :");
  EXPECT_EQ(succeed({"cat", "app.cim", "d:own"}), "of d");
  EXPECT_EQ(fail({"cat", "app.cim", "d/file:none"}),
            "cim: app.cim: d/file:none: no such alternate stream");
  EXPECT_EQ(fail({"cat", "app.cim", "d/none:Stream"}),
            "cim: app.cim: d/none:Stream: no such file or directory");
  EXPECT_EQ(fail({"cat", "app.cim", "d::$DATA"}), "cim: app.cim: d::$DATA: is a directory");
}

TEST_F(WindowsMetadata, CatPrefersAFileWithAColonInItsName) {
  write("src/a", "");
  write("src/a:b", "file");
  write("src/a:b:c", "");
  succeed({"create", "app.cim", "src"});
  {
    Writer::Options options;
    options.directory = directory();
    options.existing = "app.cim";
    Writer writer(options);
    put_stream(writer, u"a", u"b", "hidden by the file");
    put_stream(writer, u"a\uf03ab", u"d", "of a:b");
    writer.commit();
  }
  EXPECT_EQ(succeed({"cat", "app.cim", "a:b"}), "file");
  EXPECT_EQ(succeed({"cat", "app.cim", "a:b:$DATA"}), "hidden by the file");
  EXPECT_EQ(succeed({"cat", "app.cim", "a:b:d"}), "of a:b");
}

// Each may have 255 characters.
TEST_F(WindowsMetadata, CatFindsTheLongestNames) {
  const std::u16string file(255, u'f');
  const std::u16string stream(255, u's');
  create_image([&](Writer& writer) {
    test::put(writer, file, "");
    put_stream(writer, file, stream, "found");
  });
  EXPECT_EQ(succeed({"cat", "app.cim", std::string(255, 'f') + ":" + std::string(255, 's')}),
            "found");
  EXPECT_THAT(fail({"cat", "app.cim", std::string(255, 'f') + ":" + std::string(300, 's')}),
              HasSubstr("no such alternate stream"));
}

}  // namespace
}  // namespace cim::cli
