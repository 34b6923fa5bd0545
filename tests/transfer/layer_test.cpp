// Layers of containers.
#include "layer.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <cim/image.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "format/extended_attributes.h"
#include "format/filetime.h"
#include "format/reparse.h"
#include "format/security_descriptor.h"
#include "image/file_descriptor.h"
#include "support/image_content.h"
#include "transfer/import.h"

namespace cim::transfer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class LinuxLayer : public Layer {
 protected:
  // a, d/x, d/y, d/e/z
  void make_base() {
    layer()
        .file("a", "a")
        .directory("d")
        .file("d/x", "x")
        .file("d/y", "y")
        .file("d/e/z", "z")
        .finish();
    import("base.cim");
  }

  // What remains of the base under the layer, but for directories.
  std::vector<std::string> under_layer() {
    import("top.cim", "base.cim");
    std::vector<std::string> names;
    for (const auto& [name, content] : files("top.cim")) {
      if (content != "directory") names.push_back(name);
    }
    return names;
  }
};

TEST_F(LinuxLayer, WhiteoutsRemoveFilesAndDirectories) {
  make_base();
  layer().file(".wh.a").file("d/.wh.e").file(".wh.never").file("none/.wh.b").finish();
  EXPECT_THAT(under_layer(), ElementsAre("d/x", "d/y"));
  EXPECT_THAT(progress_.warnings, IsEmpty());
}

TEST_F(LinuxLayer, WhiteoutsLeaveWhatTheLayerItselfHasWhereverTheyStand) {
  make_base();
  layer()
      .file("a", "new")
      .file("d/e/new", "n")
      .file(".wh.a")
      .file(".wh.d")
      .file("d/later")
      .finish();
  EXPECT_THAT(under_layer(), ElementsAre("a", "d/e/new", "d/later"));
  EXPECT_EQ(files("top.cim").at("a"), "new");
}

TEST_F(LinuxLayer, OpaqueDirectoriesKeepOnlyWhatTheLayerHas) {
  make_base();
  layer().file("d/new").file("d/.wh..wh..opq").file("d/e/later").finish();
  EXPECT_THAT(under_layer(), ElementsAre("a", "d/e/later", "d/new"));
}

TEST_F(LinuxLayer, IsNotTakenForOneOfWindowsIfTheCallerKnowsBetter) {
  system_ = LayerSource::System::linux;
  layer().directory("Files").file("Files/x", "x").finish();
  import("base.cim");
  EXPECT_THAT(files("base.cim"), SizeIs(2));
}

TEST_F(LinuxLayer, ARootComesFirstOrAlone) {
  layer().directory("./", {{"SCHILY.xattr.user.a", "1"}}).file("./a", "text").finish();
  import("base.cim");
  EXPECT_EQ(files("base.cim").at("a"), "text");
  EXPECT_FALSE(Image(path("base.cim"))
                   .extended_attributes(test::file_at(Image(path("base.cim")), u""))
                   .empty());
  layer().directory("./").finish();
  import("root.cim");
  EXPECT_TRUE(Image(path("root.cim")).case_sensitive());
}

TEST_F(LinuxLayer, AnOpaqueRootKeepsOnlyTheLayer) {
  make_base();
  layer().file(".wh..wh..opq").file("only").finish();
  EXPECT_THAT(under_layer(), ElementsAre("only"));
}

TEST_F(LinuxLayer, AWhiteoutHidesADirectoryThatTheLayerMakesAgain) {
  make_base();
  layer().directory("d").file(".wh.d").file("d/.wh.x").finish();
  EXPECT_THAT(under_layer(), ElementsAre("a"));
  EXPECT_EQ(files("top.cim").count("d"), 1U);
}

TEST_F(LinuxLayer, AWhiteoutOfOneNameLeavesTheOthers) {
  layer().file("a", "text").hard_link("b", "a").finish();
  import("base.cim");
  layer().hard_link("c", "b").file(".wh.a").finish();
  EXPECT_THAT(under_layer(), ElementsAre("b", "c"));
  const Image image(path("top.cim"));
  EXPECT_EQ(image.link_count(test::file_at(image, u"c")), 2U);
}

TEST_F(LinuxLayer, FilesOfAufsItselfAreIgnored) {
  make_base();
  layer().directory(".wh..wh.plnk").file(".wh..wh.aufs").finish();
  EXPECT_THAT(under_layer(), ElementsAre("a", "d/e/z", "d/x", "d/y"));
}

TEST_F(LinuxLayer, RefusesWhiteoutsOfNothing) {
  for (const char* name : {".wh.", ".wh..", ".wh...", "d/.wh."}) {
    layer().file(name).finish();
    EXPECT_EQ(failure(), std::string("layer.tar: ") + name + ": is a whiteout of no file");
  }
}

TEST_F(LinuxLayer, RefusesAHardLinkToWhatAWhiteoutHides) {
  make_base();
  layer().file(".wh.a").hard_link("b", "a").finish();
  EXPECT_EQ(failure("base.cim"), "layer.tar: b: is a hard link to a, which is not there");
}

class WindowsLayer : public Layer {
 protected:
  // The file Files/f of a base layer, whose records are `records`.
  Image base_with(const Records& records) {
    layer().base_of_windows().file("Files/f", "text", records).finish();
    import("base.cim");
    return Image(path("base.cim"));
  }

  std::string failure_with(const Records& records) {
    layer().base_of_windows().file("Files/f", "text", records).finish();
    return failure();
  }
};

std::string text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr std::int64_t filetime(std::int64_t seconds, std::int64_t fraction = 0) {
  return format::filetime_unix_epoch + seconds * format::filetime_per_second + fraction;
}

TEST_F(WindowsLayer, RecordsBecomeMetadata) {
  const Image image = base_with({{"MSWINDOWS.fileattr", "1062"},
                                 {"MSWINDOWS.rawsd", "AQAEgAAAAAAAAAAAAAAAAAAAAAA="},
                                 {"MSWINDOWS.xattr.B", "Yg=="},
                                 {"MSWINDOWS.xattr.A", "AAE="},
                                 {"atime", "1600000001.5"},
                                 {"ctime", "1600000002"},
                                 {"LIBARCHIVE.creationtime", "-1.25"}});
  const File file = test::file_at(image, u"files\\F");  // names are case-insensitive
  EXPECT_EQ(file.attributes, attribute::hidden | attribute::system | attribute::archive);
  EXPECT_EQ(file.last_write_time, filetime(some_time));
  EXPECT_EQ(file.last_access_time, filetime(1600000001, 5000000));
  EXPECT_EQ(file.change_time, filetime(1600000002));
  EXPECT_EQ(file.creation_time, filetime(-2, 7500000));
  EXPECT_EQ(text_of(image.security_descriptor(file)),
            text_of(std::as_bytes(std::span(format::open_security_descriptor))));
  format::EaReader attributes(image.extended_attributes(file));
  const auto first = attributes.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->name, "A");
  EXPECT_EQ(text_of(first->value), std::string("\0\1", 2));
  const auto second = attributes.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name, "B");
  EXPECT_FALSE(attributes.next());
}

TEST_F(WindowsLayer, WithoutRecordsFilesGetTheTimeOfTheDataAndAnOpenDescriptor) {
  const Image image = base_with({});
  const File file = test::file_at(image, u"Files\\f");
  EXPECT_EQ(file.attributes, 0U);
  EXPECT_EQ(file.creation_time, filetime(some_time));
  EXPECT_EQ(file.last_access_time, filetime(some_time));
  EXPECT_EQ(file.change_time, filetime(some_time));
  EXPECT_FALSE(image.security_descriptor(file).empty());
  const File parent = test::file_at(image, u"Files\\Windows");  // which the layer does not list
  EXPECT_EQ(parent.attributes, attribute::directory);
  EXPECT_FALSE(image.security_descriptor(parent).empty());
}

TEST_F(WindowsLayer, DescriptorsMayBeText) {
  const Image image = base_with({{"MSWINDOWS.sd", "D:NO_ACCESS_CONTROL"}});
  const auto descriptor = image.security_descriptor(test::file_at(image, u"Files\\f"));
  EXPECT_TRUE(format::is_valid_security_descriptor(descriptor));
}

TEST_F(WindowsLayer, NamesTheRecordThatIsMalformed) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"MSWINDOWS.fileattr", "0x20"},
      {"MSWINDOWS.fileattr", "99999999999"},
      {"MSWINDOWS.rawsd", "?"},
      {"MSWINDOWS.rawsd", "AAAA"},
      {"MSWINDOWS.rawsd", "===="},
      {"MSWINDOWS.sd", "X:nonsense"},
      {"MSWINDOWS.xattr.A", "abc"},
      {"LIBARCHIVE.creationtime", "yesterday"},
      {"atime", "1.2.3"}};
  for (const auto& [key, value] : bad) {
    EXPECT_THAT(failure_with({{key, value}}), HasSubstr("layer.tar: Files/f: record " + key + ": "))
        << value;
  }
}

TEST_F(WindowsLayer, LinksBecomeReparsePoints) {
  layer()
      .base_of_windows()
      .symlink("Files/file", "a/b")
      .symlink("Files/directory", "\\\\?\\C:\\x", {{"MSWINDOWS.fileattr", "1040"}})
      .symlink("Files/junction", "C:/Users",
               {{"MSWINDOWS.mountpoint", "1"}, {"MSWINDOWS.fileattr", "16"}})
      .symlink("Files/share", "\\\\server\\share")
      .finish();
  import("base.cim");
  const Image image(path("base.cim"));
  const auto link = [&](std::u16string_view name) {
    return format::windows_link(
        image.reparse_data(test::file_at(image, u"Files\\" + std::u16string(name))));
  };
  EXPECT_EQ(link(u"file").target, u"a\\b");
  EXPECT_TRUE(link(u"file").relative);
  EXPECT_EQ(link(u"directory").target, u"\\??\\C:\\x");
  EXPECT_FALSE(link(u"directory").relative);
  EXPECT_EQ(link(u"junction").target, u"\\??\\C:\\Users");
  EXPECT_EQ(link(u"share").target, u"\\??\\UNC\\server\\share");
  EXPECT_EQ(test::file_at(image, u"Files\\junction").reparse_tag, format::tag_mount_point);
  EXPECT_TRUE(test::file_at(image, u"Files\\directory").is_directory());
  EXPECT_FALSE(test::file_at(image, u"Files\\file").is_directory());
}

TEST_F(WindowsLayer, StreamsFollowTheirFileInEitherSpelling) {
  layer()
      .base_of_windows()
      .file("Files/f", "text")
      .file("Files/f:one", "1")
      .file("Files/f:two:$DATA", "22")
      .directory("Files/d/")
      .file("Files/d:three", "333")
      .file("Files/f:no", "not after its file")
      .finish();
  import("base.cim");
  const Image image(path("base.cim"));
  const auto stream = [&](std::u16string_view file, std::u16string_view name) {
    const auto found = image.find_named_stream(test::file_at(image, file), name);
    return found ? test::content(image, *found) : "(none)";
  };
  EXPECT_EQ(stream(u"Files\\f", u"one"), "1");
  EXPECT_EQ(stream(u"Files\\f", u"two"), "22");
  EXPECT_EQ(stream(u"Files\\d", u"three"), "333");
  EXPECT_EQ(stream(u"Files\\f", u"no"), "(none)");
  EXPECT_EQ(files("base.cim").count("Files/f:no"), 1U);
}

TEST_F(WindowsLayer, ABaseGetsSecondNamesOfItsHivesAndALayoutFile) {
  const Image image = base_with({});
  EXPECT_EQ(test::content(image, u"Hives\\SAM_BASE"), "SAM");
  EXPECT_EQ(image.resolve(u"Hives\\DEFAULTUSER_BASE"),
            image.resolve(u"Files\\Windows\\System32\\config\\DEFAULT"));
  EXPECT_EQ(test::content(image, u"layout"), "vhd-with-hives\n");
}

TEST_F(WindowsLayer, NamesTheHiveThatABaseLacks) {
  layer().directory("Files").file("Files/f").finish();
  EXPECT_EQ(failure(),
            "layer.tar: has no Files/Windows/System32/config/SYSTEM, as a base layer of Windows "
            "has; another needs the layer below it");
}

TEST_F(WindowsLayer, KeepsChangesOfTheRegistryAndSaysSoOnce) {
  base_with({});
  layer().file("Hives/Sam_Delta", "s").file("Hives/System_Delta", "d").finish();
  import("top.cim", "base.cim");
  const Image image(path("top.cim"));
  EXPECT_EQ(test::content(image, u"Hives\\SYSTEM_DELTA"), "d");
  EXPECT_EQ(test::content(image, u"Hives\\SYSTEM_BASE"), "SYSTEM");
  EXPECT_EQ(progress_.warnings.size(), 1U);
}

TEST_F(WindowsLayer, LinksOfLaterLayersReachIntoTheBase) {
  base_with({});
  layer().directory("Files").hard_link("Files/g", "files/F").file("Files/.wh.f").finish();
  import("top.cim", "base.cim");
  const Image image(path("top.cim"));
  EXPECT_EQ(test::content(image, u"Files\\g"), "text");
  EXPECT_FALSE(image.resolve(u"Files\\f"));
}

TEST_F(WindowsLayer, AnEmptyLayerIsOfWindowsOnOneOfWindows) {
  layer().base_of_windows().finish();
  import("base.cim");
  layer().finish();
  import("top.cim", "base.cim");
  EXPECT_EQ(files("top.cim"), files("base.cim"));
}

TEST_F(WindowsLayer, IsRecognisedOnAnotherWhateverItsCase) {
  base_with({});
  layer().file("FILES/.wh.f").finish();
  import("top.cim", "base.cim");
  EXPECT_FALSE(Image(path("top.cim")).resolve(u"Files\\f"));
}

TEST_F(WindowsLayer, IsRecognisedBelowTheRoot) {
  layer()
      .directory("./", {{"LIBARCHIVE.creationtime", "5"}})
      .base_of_windows()
      .file("./Files/f", "text")
      .file("./Files/f:s", "stream")
      .finish();
  import("base.cim");
  const Image image(path("base.cim"));
  EXPECT_EQ(test::content(image, u"files\\F"), "text");
  EXPECT_TRUE(image.find_named_stream(test::file_at(image, u"Files\\f"), u"s"));
  EXPECT_EQ(test::file_at(image, u"").creation_time, filetime(5));
  EXPECT_EQ(test::file_at(image, u"").last_write_time, filetime(some_time));
}

TEST_F(WindowsLayer, NamesTheRootIfItsRecordIsMalformed) {
  layer().directory("./", {{"atime", "never"}}).base_of_windows().finish();
  EXPECT_EQ(failure(), "layer.tar: ./: record atime: is no time");
}

TEST_F(WindowsLayer, ARootAloneIsOfWindowsOnOneOfWindows) {
  base_with({});
  layer().directory("./").finish();
  import("top.cim", "base.cim");
  EXPECT_EQ(files("top.cim"), files("base.cim"));
}

TEST_F(WindowsLayer, IsRecognisedByAWhiteout) {
  layer().base_of_windows().file("UtilityVM/Files/f").finish();
  import("base.cim");
  layer().file(".wh.UtilityVM").file("Files/new").finish();
  import("top.cim", "base.cim");
  EXPECT_FALSE(Image(path("top.cim")).resolve(u"UtilityVM"));
  EXPECT_TRUE(Image(path("top.cim")).resolve(u"Files\\new"));
}

TEST_F(WindowsLayer, LeavesOutWhatWindowsDoesNotHave) {
  layer().base_of_windows().device("Files/null", makedev(1, 3)).finish();
  import("base.cim");
  EXPECT_EQ(incomplete_, 1U);
  EXPECT_THAT(
      progress_.warnings,
      ElementsAre("layer.tar: Files/null: is of a type that Windows does not have; left out"));
}

TEST_F(WindowsLayer, RefusesNamesThatWindowsTakesForOne) {
  layer().base_of_windows().file("Files/name").file("Files/NAME").finish();
  EXPECT_EQ(failure(),
            "layer.tar: Files/NAME: 'Files/name' and 'Files/NAME' are one name in a "
            "case-insensitive image");
}

class Whiteouts : public Layer {
 protected:
  // What import_archive(), which knows no layers, says of one.
  std::string refusal(const ImportOptions& options = {}) {
    const FileDescriptor archive(open(path("layer.tar").c_str(), O_RDONLY | O_CLOEXEC));
    try {
      Writer writer(new_image(directory_.string(), "image.cim"));
      import_archive(writer, archive.get(), "layer.tar", options, progress_);
      writer.commit();
    } catch (const Error& error) {
      return error.what();
    }
    return "(none)";
  }
};

TEST_F(Whiteouts, AreNotTakenForFiles) {
  layer().file("d/.wh.x").finish();
  EXPECT_THAT(refusal(), HasSubstr("layer.tar: d/.wh.x: changes a lower layer"));
  layer().device("x", makedev(0, 0)).finish();
  EXPECT_THAT(refusal(), HasSubstr("layer.tar: x: changes a lower layer"));
  layer().directory("d", {{"SCHILY.xattr.trusted.overlay.opaque", "y"}}).finish();
  EXPECT_THAT(refusal(), HasSubstr("the attribute trusted.overlay.opaque"));
  layer().directory("d", {{"SCHILY.xattr.user.overlay.redirect", "x"}}).finish();
  EXPECT_THAT(refusal(), HasSubstr("the attribute user.overlay.redirect"));
}

TEST_F(Whiteouts, AreFilesIfThatIsMeant) {
  layer().file(".wh.x", "text").device("y", makedev(0, 0)).finish();
  EXPECT_EQ(refusal({.literal_whiteouts = true}), "(none)");
  EXPECT_EQ(files("image.cim").at(".wh.x"), "text");
}

}  // namespace
}  // namespace cim::transfer
