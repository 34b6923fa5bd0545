// Images written as layers of containers.
#include "transfer/layer_export.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <cim/image.h>
#include <cim/writer.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "format/reparse.h"
#include "layer.h"
#include "transfer/image_changes.h"
#include "transfer/image_walk.h"
#include "transfer/input.h"
#include "transfer/layer_metadata.h"
#include "transfer/tar_reader.h"

namespace cim::transfer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// All that an image keeps, by path; files with several names name the first.
std::map<std::string, std::string> everything(const Image& image) {
  std::map<std::string, std::string> found;
  std::map<FileId, std::string> first_names;
  ImageWalk walk(image, {}, EntryOrder::bytes);
  using Step = ImageWalk::Step;
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) continue;
    const File& file = walk.file();
    const Metadata metadata = image.metadata(file);
    const auto text = [](ByteView bytes) {
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) + ';';
    };
    std::string all = first_names.try_emplace(file.id, walk.path()).first->second + ';';
    for (const std::int64_t number :
         {std::int64_t{metadata.attributes}, metadata.creation_time, metadata.last_write_time,
          metadata.change_time, metadata.last_access_time}) {
      all += std::to_string(number) + ';';
    }
    all += text(metadata.security_descriptor) + text(metadata.reparse_data) +
           text(metadata.extended_attributes);
    if (!file.is_directory()) all += test::content(image, file.stream);
    for (const NamedStream& stream : image.named_streams(file)) {
      all += ';' + image_to_linux_name(stream.name) + '=' + test::content(image, stream.stream);
    }
    found[walk.path()] = all;
  }
  return found;
}

class LayerExport : public Layer {
 protected:
  // Makes `name`, a fork of `parent`, by `change`.
  void fork(const std::string& name, const std::string& parent,
            const std::function<void(Writer&)>& change) const {
    Writer::Options options = new_image(directory_.string(), name);
    options.existing = parent;
    Writer writer(options);
    change(writer);
    writer.commit();
  }

  // Exports `name` to layer.tar. Returns the members, hard links as `NAME -> TARGET`.
  std::vector<std::string> export_image(const std::string& name, const std::string& parent = {}) {
    {
      const FileDescriptor archive(
          open(path("layer.tar").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
      const Image image(path(name));
      std::optional<Image> base;
      if (!parent.empty()) base.emplace(path(parent));
      FileOutput output(archive.get(), "layer.tar");
      left_out_ = export_layer(image, base ? &*base : nullptr, output, progress_);
    }
    const FileDescriptor archive(open(path("layer.tar").c_str(), O_RDONLY | O_CLOEXEC));
    FileInput layer(archive.get());
    TarReader reader(layer, "layer.tar", progress_);
    std::vector<std::string> names;
    while (const auto member = reader.next()) {
      names.push_back(member->name);
      if (member->hard_link_target) names.back() += " -> " + *member->hard_link_target;
    }
    return names;
  }

  // The layer from base.cim to top.cim, after checking that it makes the same image again, however
  // the changes are found.
  std::vector<std::string> layer_of_top() {
    copy_base();
    export_image("top.cim", "other/base.cim");  // shares no region files with top.cim
    import("again.cim", "base.cim");
    EXPECT_EQ(everything(Image(path("again.cim"))), everything(Image(path("top.cim"))));
    EXPECT_EQ(left_out_, 0U);

    const std::vector<std::string> names = export_image("top.cim", "base.cim");
    import("once-more.cim", "base.cim");
    EXPECT_EQ(everything(Image(path("once-more.cim"))), everything(Image(path("top.cim"))));
    EXPECT_EQ(left_out_, 0U);
    return names;
  }

  std::uint64_t left_out_ = 0;

 private:
  void copy_base() const {
    namespace fs = boost::filesystem;
    fs::create_directory(directory_.path() / "other");
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      if (!fs::is_regular_file(entry.path())) continue;
      fs::copy_file(entry.path(), directory_.path() / "other" / entry.path().filename());
    }
  }
};

class LinuxLayerExport : public LayerExport {
 protected:
  // a, d/x, d/y, d/e/z, l and l2
  LinuxLayerExport() {
    layer()
        .file("a", "a")
        .directory("d")
        .file("d/x", "x")
        .file("d/y", "y", {{"SCHILY.xattr.user.k", "v"}})
        .file("d/e/z", "z")
        .file("l", "linked")
        .hard_link("l2", "l")
        .symlink("s", "d/x")
        .device("tty", makedev(5, 0))
        .finish();
    import("base.cim");
  }
};

TEST_F(LinuxLayerExport, WholeImageIsABaseLayer) {
  EXPECT_THAT(export_image("base.cim"), ElementsAre("./", "a", "d/", "d/e/", "d/e/z", "d/x", "d/y",
                                                    "l", "l2 -> l", "s", "tty"));
  const std::string first = read_file(path("layer.tar"));
  import("again.cim");
  EXPECT_EQ(everything(Image(path("again.cim"))), everything(Image(path("base.cim"))));
  export_image("again.cim");
  EXPECT_EQ(read_file(path("layer.tar")), first);
}

TEST_F(LinuxLayerExport, HasChangesAndWhatLeadsToThem) {
  layer().file("d/e/new", "n").file("d/.wh.x").file(".wh.a").file("d/y", "changed").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(),
              ElementsAre("./", ".wh.a", "d/", "d/.wh.x", "d/e/", "d/e/new", "d/y"));
}

TEST_F(LinuxLayerExport, OfNoChangeIsEmpty) {
  layer().file("a", "a").finish();  // the same file once more
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), IsEmpty());
  EXPECT_THAT(export_image("base.cim", "base.cim"), IsEmpty());
}

TEST_F(LinuxLayerExport, RemovedDirectoryHasOneWhiteout) {
  layer().file(".wh.d").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", ".wh.d"));
}

TEST_F(LinuxLayerExport, OpaqueDirectoryBecomesWhiteouts) {
  layer().directory("d").file("d/.wh..wh..opq").file("d/new").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", "d/", "d/.wh.e", "d/.wh.x", "d/.wh.y", "d/new"));
}

TEST_F(LinuxLayerExport, OtherTypesReplaceBothWays) {
  layer().file("d", "file").directory("a").file("a/b").symlink("l", "x").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", "a/", "a/b", "d", "l"));
}

TEST_F(LinuxLayerExport, NewNameComesWithTheNamesThatStay) {
  layer().hard_link("d/link", "a").hard_link("k", "l").file(".wh.l").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(),
              ElementsAre("./", ".wh.l", "d/", "d/link", "a -> d/link", "k", "l2 -> k"));
}

TEST_F(LinuxLayerExport, RenamedFileHasItsDataOnce) {
  layer().hard_link("b", "a").hard_link("c", "a").file(".wh.a").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", ".wh.a", "b", "c -> b"));
}

TEST_F(LinuxLayerExport, LinkThatIsBrokenIsAFileOfItsOwn) {
  layer().file("l2", "linked").finish();  // equal, but another file
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", "l2"));
}

TEST_F(LinuxLayerExport, FilesThatBecomeOneAreLinked) {
  layer().file("m", "m").hard_link("d/x", "m").hard_link("a", "m").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", "a", "d/", "d/x -> a", "m -> a"));
}

TEST_F(LinuxLayerExport, ChangedMetadataOfADirectoryIsAnEntry) {
  layer().directory("d/e", {{"SCHILY.xattr.user.new", "1"}}).finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("./", "d/", "d/e/"));
}

TEST_F(LinuxLayerExport, LeavesOutNamesOfWhiteouts) {
  fork("top.cim", "base.cim", [](Writer& writer) {
    test::put(writer, u".wh.a", "text");
    writer.create_directory(u".wh.d", {});
    test::put(writer, u".wh.d\\below", "text");
  });
  EXPECT_THAT(export_image("top.cim", "base.cim"), IsEmpty());
  EXPECT_EQ(left_out_, 2U);
  EXPECT_THAT(progress_.warnings, ElementsAre(".wh.a: a layer cannot hold such a name; left out",
                                              ".wh.d: a layer cannot hold such a name; left out"));
}

TEST_F(LinuxLayerExport, SaysWhatChangesBelowANameOfAWhiteout) {
  fork("middle.cim", "base.cim", [](Writer& writer) { writer.create_directory(u".wh.d", {}); });
  fork("top.cim", "middle.cim", [](Writer& writer) {
    test::put(writer, u".wh.d\\new", "text");
    writer.remove(u"a");
  });
  EXPECT_THAT(export_image("top.cim", "middle.cim"), ElementsAre("./", ".wh.a"));
  EXPECT_THAT(progress_.warnings,
              ElementsAre(".wh.d/new: a layer cannot hold such a name; left out"));
}

TEST_F(LinuxLayerExport, RefusesAParentOfTheOtherSystem) {
  Writer::Options options = new_image(directory_.string(), "windows.cim");
  options.case_insensitive = true;
  Writer writer(options);
  writer.create_directory(u"", {});
  writer.commit();
  EXPECT_THROW(export_image("base.cim", "windows.cim"), Error);
  EXPECT_THROW(export_image("windows.cim"), Error);  // has no Files
}

// Counts what is compared.
TEST_F(LinuxLayerExport, LooksOnlyAtDirectoriesThatLeadToChanges) {
  fork("big.cim", "base.cim", [](Writer& writer) {
    for (int i = 0; i < 2000; ++i)
      test::put(writer, u"d\\" + linux_to_image_name(std::to_string(i)), "");
  });
  fork("top.cim", "big.cim", [](Writer& writer) { test::put(writer, u"new", ""); });
  RecordingProgress progress;
  const Image before(path("big.cim"));
  const Image after(path("top.cim"));
  ImageChanges changes(&before, after, progress);
  while (changes.next()) continue;
  EXPECT_LT(progress.done.files, 20U);
  EXPECT_EQ(progress.done.bytes, 0U);
}

class WindowsLayerExport : public LayerExport {
 protected:
  WindowsLayerExport() {
    layer()
        .base_of_windows()
        .directory("Files/d", {{"MSWINDOWS.fileattr", "16"}})
        .file("Files/d/x", "x")
        .file("Files/f", "text",
              {{"MSWINDOWS.fileattr", "1062"},
               {"MSWINDOWS.xattr.B", "Yg=="},
               {"atime", "1600000001.5"},
               {"ctime", "1600000002"},
               {"LIBARCHIVE.creationtime", "-1.25"}})
        .file("Files/f:one", "1")
        .symlink("Files/link", "a/b")
        .symlink("Files/junction", "C:/Users",
                 {{"MSWINDOWS.mountpoint", "1"}, {"MSWINDOWS.fileattr", "16"}})
        .symlink("Files/share", "\\\\server\\share", {{"MSWINDOWS.fileattr", "1040"}})
        .directory("UtilityVM/Files")
        .hard_link("UtilityVM/Files/f", "Files/f")
        .finish();
    import("base.cim");
  }
};

TEST_F(WindowsLayerExport, WholeImageIsABaseLayer) {
  EXPECT_THAT(
      export_image("base.cim"),
      ElementsAre("Files/", "Files/Windows/", "Files/Windows/System32/",
                  "Files/Windows/System32/config/", "Files/Windows/System32/config/DEFAULT",
                  "Files/Windows/System32/config/SAM", "Files/Windows/System32/config/SECURITY",
                  "Files/Windows/System32/config/SOFTWARE", "Files/Windows/System32/config/SYSTEM",
                  "Files/d/", "Files/d/x", "Files/f", "Files/f:one", "Files/junction", "Files/link",
                  "Files/share", "UtilityVM/", "UtilityVM/Files/", "UtilityVM/Files/f -> Files/f"));
  import("again.cim");
  EXPECT_EQ(left_out_, 0U);
  EXPECT_EQ(everything(Image(path("again.cim"))), everything(Image(path("base.cim"))));
}

TEST_F(WindowsLayerExport, HasOnlyItsOwnChangesOfTheRegistry) {
  layer().file("Hives/Sam_Delta", "s").finish();
  import("middle.cim", "base.cim");
  layer().file("Hives/System_Delta", "d").finish();
  import("top.cim", "middle.cim");
  EXPECT_THAT(export_image("top.cim", "middle.cim"), ElementsAre("Hives/", "Hives/System_Delta"));
}

TEST_F(WindowsLayerExport, OfNoChangeHasTheDirectoryFiles) {
  layer().directory("Files").finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("Files/"));
}

TEST_F(WindowsLayerExport, NewSpellingIsANewName) {
  fork("top.cim", "base.cim", [](Writer& writer) {
    writer.remove(u"Files\\d");
    writer.create_directory(u"Files\\D", plain_windows_metadata(attribute::directory).view());
    test::put(writer, u"Files\\D\\x", "x", plain_windows_metadata(0).view());
    writer.create_hard_link(u"Files\\G", u"Files\\f");
    writer.remove(u"Files\\link");
    test::put(writer, u"Files\\LINK", "", plain_windows_metadata(0).view());
  });
  EXPECT_THAT(layer_of_top(), ElementsAre("Files/", "Files/.wh.d", "Files/.wh.link", "Files/D/",
                                          "Files/D/x", "Files/G -> Files/f", "Files/LINK"));
}

TEST_F(WindowsLayerExport, LinkToADirectoryReplacesADirectory) {
  layer().file("Files/.wh.d").symlink("Files/d", "x", {{"MSWINDOWS.fileattr", "16"}}).finish();
  import("top.cim", "base.cim");
  EXPECT_THAT(layer_of_top(), ElementsAre("Files/", "Files/.wh.d", "Files/d"));
}

TEST_F(WindowsLayerExport, ChangedStreamIsAChangeOfItsFileAndAllItsNames) {
  fork("top.cim", "base.cim", [](Writer& writer) {
    WriteStream stream = writer.create_named_stream(u"Files\\f", u"two", 1);
    stream.write(test::bytes("2"));
    stream.close();
  });
  EXPECT_THAT(layer_of_top(),
              ElementsAre("Files/", "Files/f", "Files/f:one", "Files/f:two", "UtilityVM/",
                          "UtilityVM/Files/", "UtilityVM/Files/f -> Files/f"));
}

TEST_F(WindowsLayerExport, LeavesOutWhatALayerCannotHold) {
  fork("top.cim", "base.cim", [](Writer& writer) {
    test::put(writer, u"Files\\a", "");
    test::put(writer,
              u"Files\\a\xF03A"
              u"b",
              "");  // a:b on Linux
    writer.create_directory(u"other", {});
    test::put(writer, u"other\\x", "");
    const auto fifo = format::make_reparse_buffer(format::tag_lx_fifo, {});
    test::put(writer, u"Files\\fifo", "", {.reparse_data = fifo});
  });
  EXPECT_THAT(export_image("top.cim", "base.cim"), ElementsAre("Files/", "Files/a"));
  EXPECT_EQ(left_out_, 3U);
  EXPECT_THAT(
      progress_.warnings,
      ElementsAre("Files/a:b: would be read as a stream of Files/a; left out",
                  "Files/fifo: a layer of Windows cannot hold a reparse point of tag 0x80000024; "
                  "left out",
                  "other: a layer of Windows has no place for it; left out"));
}

}  // namespace
}  // namespace cim::transfer
