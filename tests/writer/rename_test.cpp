// What Writer changes of files that are there, tested through the images they make.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include <cim/writer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/security_descriptor.h"
#include "image/explorer.h"
#include "image/foreign_tree.h"
#include "image/forged_image.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::content;
using test::error_of;
using test::file_at;
using test::list;
using test::put;
using testing::ElementsAre;
using testing::IsEmpty;

class RenameTest : public testing::Test {
 protected:
  Writer::Options fresh() { return {.directory = directory_.string(), .name = "a.cim"}; }
  Writer::Options extending(const std::string& name = "a.cim") {
    return {.directory = directory_.string(), .existing = name, .name = {}};
  }
  Image open(const std::string& name = "a.cim") { return Image(directory_ / name); }

  // Expects that nothing is wrong with the image, the data included.
  void check(const std::string& name = "a.cim") {
    EXPECT_EQ(0u, test::errors_of_check(directory_ / name, true));
  }

  // d: e: old, deep: older; link = d/e/old; f: other; file
  void make_base() {
    Writer writer(fresh());
    for (const char16_t* path : {u"d", u"d\\e", u"d\\e\\deep", u"f"}) {
      writer.create_directory(path, {});
    }
    put(writer, u"d\\e\\old", "old");
    put(writer, u"d\\e\\deep\\older", "older");
    put(writer, u"f\\other", "other");
    put(writer, u"file", "file", {.last_write_time = 7});
    writer.create_hard_link(u"link", u"d\\e\\old");
    writer.commit();
  }

  test::TemporaryDirectory directory_;
};

TEST_F(RenameTest, AFileGetsAnotherNameInANewImage) {
  Writer writer(fresh());
  writer.create_directory(u"d", {});
  put(writer, u"a", "content");
  writer.create_hard_link(u"b", u"a");
  writer.rename(u"a", u"d\\c");
  writer.commit();
  check();
  const Image image = open();
  EXPECT_THAT(list(image, u""), ElementsAre("b", "d"));
  EXPECT_EQ("content", content(image, u"d\\c"));
  EXPECT_EQ(2u, image.link_count(file_at(image, u"b")));
}

TEST_F(RenameTest, ADirectoryMovesWithAllBelowIt) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"d\\e", u"f\\moved");
    EXPECT_EQ(Writer::Kind::none, writer.find(u"d\\e"));
    EXPECT_EQ(Writer::Kind::file, writer.find(u"f\\moved\\deep\\older"));
    put(writer, u"f\\moved\\new", "new");
    writer.commit();
  }
  check();
  const Image image = open();
  EXPECT_THAT(list(image, u"d"), IsEmpty());
  EXPECT_THAT(list(image, u"f\\moved"), ElementsAre("deep", "new", "old"));
  EXPECT_EQ("older", content(image, u"f\\moved\\deep\\older"));
  EXPECT_EQ(file_at(image, u"link").id, file_at(image, u"f\\moved\\old").id);
  EXPECT_EQ(file_at(image, u"f").id, image.parent(file_at(image, u"f\\moved")));
  EXPECT_EQ(2u, image.link_count(file_at(image, u"d")));
  EXPECT_EQ(3u, image.link_count(file_at(image, u"f")));
}

TEST_F(RenameTest, ADirectoryMovesBelowANewOne) {
  make_base();
  {
    Writer writer(extending());
    writer.create_directory(u"a", {});
    writer.create_directory(u"a\\b", {});
    writer.rename(u"d", u"a\\b\\d");
    writer.rename(u"a\\b", u"z");
    writer.commit();
  }
  check();
  const Image image = open();
  EXPECT_EQ("old", content(image, u"z\\d\\e\\old"));
  EXPECT_EQ(file_at(image, u"z").id, image.parent(file_at(image, u"z\\d")));
}

TEST_F(RenameTest, PlacesAreSwappedByAThirdName) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"d", u"third");
    writer.rename(u"f", u"d");
    writer.rename(u"third", u"f");
    writer.commit();
  }
  check();
  EXPECT_EQ("other", content(open(), u"d\\other"));
  EXPECT_EQ("old", content(open(), u"f\\e\\old"));
}

TEST_F(RenameTest, WhatIsThereIsReplacedWithEverythingBelow) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"file", u"d");  // the names of `link` below it go, too
    writer.rename(u"f", u"link");
    writer.commit();
  }
  check();
  EXPECT_THAT(list(open(), u""), ElementsAre("d", "link"));
  EXPECT_EQ("file", content(open(), u"d"));
  EXPECT_EQ("other", content(open(), u"link\\other"));
}

TEST_F(RenameTest, AFileReplacesADirectoryWithItsOtherName) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"link", u"d");
    writer.commit();
  }
  check();
  EXPECT_EQ("old", content(open(), u"d"));
  EXPECT_EQ(1u, open().link_count(file_at(open(), u"d")));
}

TEST_F(RenameTest, ADirectoryReplacesTheOneAboveIt) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"d\\e\\deep", u"d");
    writer.commit();
  }
  check();
  EXPECT_THAT(list(open(), u"d"), ElementsAre("older"));
  EXPECT_EQ(1u, open().link_count(file_at(open(), u"link")));
}

TEST_F(RenameTest, NamesOfOneFileStay) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"link", u"d\\e\\old");
    writer.rename(u"file", u"file");
    writer.rename(u"d", u"d");
    writer.commit();
  }
  check();
  EXPECT_EQ("old", content(open(), u"link"));
  EXPECT_EQ("old", content(open(), u"d\\e\\old"));
  EXPECT_EQ("file", content(open(), u"file"));
}

TEST_F(RenameTest, WhatCannotBeRenamedIsRefused) {
  make_base();
  Writer writer(extending());
  const auto rename_error = [&](std::u16string_view from, std::u16string_view to) {
    return error_of([&] { writer.rename(from, to); });
  };
  EXPECT_EQ(Errc::invalid_argument, rename_error(u"d", u"d\\inner"));
  EXPECT_EQ(Errc::invalid_argument, rename_error(u"d", u"d\\e\\deep\\inner"));
  EXPECT_EQ(Errc::invalid_argument, rename_error(u"", u"d"));
  EXPECT_EQ(Errc::invalid_argument, rename_error(u"d", u""));
  EXPECT_EQ(Errc::path_not_found, rename_error(u"missing", u"d"));
  EXPECT_EQ(Errc::path_not_found, rename_error(u"d", u"missing\\d"));
  EXPECT_EQ(Errc::path_not_found, rename_error(u"d", u"file\\d"));
  writer.commit();
  EXPECT_EQ("older", content(open(), u"d\\e\\deep\\older"));
}

TEST_F(RenameTest, PathsOfWhatHasMovedAreNoLongerKnown) {
  make_base();
  Writer writer(extending());
  put(writer, u"d\\new", "");
  writer.rename(u"d", u"g");
  EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_file(u"d\\newer", {}, 0); }));
  put(writer, u"f\\new", "");
  writer.rename(u"g", u"f");
  put(writer, u"f\\newest", "");
  writer.commit();
  EXPECT_THAT(list(open(), u"f"), ElementsAre("e", "new", "newest"));
}

TEST_F(RenameTest, WhatHasMovedIsNotInherited) {
  make_base();
  {
    Writer writer(extending());
    writer.rename(u"d\\e", u"f\\moved");
    writer.remove_inherited(u"f\\moved\\old");
    writer.remove_inherited_contents(u"f\\moved");
    writer.remove_inherited(u"f");
    writer.remove_inherited(u"d\\e");
    writer.commit();
  }
  check();
  EXPECT_THAT(list(open(), u"f"), ElementsAre("moved"));
  EXPECT_THAT(list(open(), u"f\\moved"), ElementsAre("deep", "old"));
  EXPECT_THAT(list(open(), u"d"), IsEmpty());
}

TEST_F(RenameTest, ANameIsSpelledInAnotherCase) {
  Writer::Options options = fresh();
  options.case_insensitive = true;
  {
    Writer writer(options);
    writer.create_directory(u"Folder", {});
    put(writer, u"Folder\\File", "content");
    writer.commit();
  }
  {
    Writer writer(extending());
    writer.rename(u"folder\\FILE", u"FOLDER\\file");
    writer.rename(u"folder", u"FolDer");
    writer.commit();
  }
  check();
  EXPECT_THAT(list(open(), u""), ElementsAre("FolDer"));
  EXPECT_THAT(list(open(), u"folder"), ElementsAre("file"));
}

// Version 1 does not record names, and version 2 does not record parents either.
TEST_F(RenameTest, DirectoriesMoveInImagesOfEveryVersion) {
  for (const std::uint32_t version : {1, 2, 3}) {
    const test::ForeignTree tree(directory_.string(), version, {});
    {
      Writer writer(extending("forged.cim"));
      writer.rename(u"d\\e", u"void\\moved");
      writer.rename(u"f", u"void\\f");
      writer.commit();
    }
    check("forged.cim");
    const Image image = open("forged.cim");
    EXPECT_THAT(list(image, u"void"), ElementsAre("f", "moved")) << version;
    EXPECT_THAT(list(image, u"d"), ElementsAre("g")) << version;
    EXPECT_EQ("h", content(image, u"void\\moved\\h"));
    EXPECT_EQ(2u, image.link_count(file_at(image, u"d\\g")));
    EXPECT_EQ(3u, image.link_count(file_at(image, u"void")));
    EXPECT_EQ(file_at(image, u"void").id, image.parent(file_at(image, u"void\\moved")));
  }
}

TEST_F(RenameTest, ADirectoryThatHoldsItselfKeepsNobodyBusy) {
  test::ForgedImage forged;
  const FileId root = forged.id(0), d = forged.id(1);
  format::File records[2] = {};
  records[0].default_stream = forged.directory({{u"d", d}});
  records[0].parent = records[1].parent = root;
  records[1].default_stream = forged.directory({{u"d", d}});
  forged.write(directory_.string(), {records[0], records[1]});
  Writer writer(extending("forged.cim"));
  put(writer, u"d\\d\\d\\new", "");
  writer.remove_inherited(u"d");
  writer.rename(u"d\\d", u"moved");
  writer.remove_inherited_contents(u"");
  writer.remove(u"moved");
  writer.commit();
}

TEST_F(RenameTest, OnlyMetadataChanges) {
  make_base();
  {
    Writer writer(extending());
    WriteStream stream = writer.create_named_stream(u"file", u"stream", 4);
    stream.write(test::bytes("data"));
    stream.close();
    writer.create_hard_link(u"f\\file", u"file");
    writer.commit();
  }
  {
    Writer writer(extending());
    writer.set_metadata(u"file", {.attributes = attribute::hidden, .last_write_time = 9});
    writer.set_metadata(u"d", {.last_write_time = 10});
    writer.set_metadata(u"", {.last_write_time = 11});
    EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.set_metadata(u"missing", {}); }));
    EXPECT_EQ(Errc::invalid_argument, error_of([&] {
                writer.set_metadata(u"d", {.extended_attributes = test::bytes("malformed")});
              }));
    writer.commit();
  }
  check();
  const Image image = open();
  const File file = file_at(image, u"f\\file");
  EXPECT_EQ("file", content(image, file.stream));
  EXPECT_EQ(9, file.last_write_time);
  EXPECT_EQ(attribute::hidden, file.attributes);
  EXPECT_EQ("data", content(image, image.find_named_stream(file, u"stream").value()));
  EXPECT_EQ(10, file_at(image, u"d").last_write_time);
  EXPECT_THAT(list(image, u"d"), ElementsAre("e"));
  EXPECT_EQ(11, file_at(image, u"").last_write_time);
}

TEST_F(RenameTest, ADescriptorIsKeptWhereFilesMustHaveOne) {
  Writer::Options options = fresh();
  options.complete_descriptors = true;
  const ByteView descriptor = std::as_bytes(std::span(format::open_security_descriptor));
  {
    Writer writer(options);
    put(writer, u"file", "", {.security_descriptor = descriptor});
    writer.commit();
  }
  {
    Writer writer(extending());
    writer.set_metadata(u"file", {});
    writer.commit();
  }
  EXPECT_EQ(0u, file_at(open(), u"file").security_descriptor_offset);
  {
    options.existing = "a.cim";
    Writer writer(options);
    writer.set_metadata(u"file", {});
    writer.set_metadata(u"", {});
    writer.commit();
  }
  EXPECT_NE(0u, file_at(open(), u"file").security_descriptor_offset);
  EXPECT_NE(0u, file_at(open(), u"").security_descriptor_offset);
}

TEST_F(RenameTest, ACopySharesTheDataOfTheBase) {
  make_base();
  {
    Writer writer(extending());
    const Image base = open();
    writer.remove(u"file");
    writer.create_copy(u"d\\e", {.last_write_time = 8}, file_at(base, u"file").id);
    EXPECT_EQ(Errc::invalid_argument,
              error_of([&] { writer.create_copy(u"x", {}, file_at(base, u"f").id); }));
    EXPECT_EQ(Errc::corrupt, error_of([&] { writer.create_copy(u"x", {}, 1000); }));
    EXPECT_EQ(Errc::path_not_found,
              error_of([&] { writer.create_copy(u"x\\y", {}, file_at(base, u"file").id); }));
    writer.commit();
  }
  check();
  EXPECT_EQ("file", content(open(), u"d\\e"));
  EXPECT_EQ(8, file_at(open(), u"d\\e").last_write_time);
  Writer::Options options = fresh();
  options.name = "b.cim";
  Writer writer(options);
  EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.create_copy(u"x", {}, 1); }));
}

TEST_F(RenameTest, AllNamesOfAFileLeadToItsNewData) {
  make_base();
  {
    Writer writer(extending());
    WriteStream stream = writer.create_named_stream(u"link", u"stream", 0);
    stream.close();
    writer.commit();
  }
  {
    Writer writer(extending());
    WriteStream stream = writer.rewrite_file(u"link", {.last_write_time = 8}, 3);
    stream.write(test::bytes("new"));
    stream.close();
    EXPECT_EQ(Errc::is_a_directory, error_of([&] { writer.rewrite_file(u"d", {}, 0); }));
    EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.rewrite_file(u"x", {}, 0); }));
    writer.commit();
  }
  check();
  const Image image = open();
  const File file = file_at(image, u"d\\e\\old");
  EXPECT_EQ("new", content(image, file.stream));
  EXPECT_EQ(8, file.last_write_time);
  EXPECT_EQ(file.id, file_at(image, u"link").id);
  EXPECT_THAT(image.named_streams(file), IsEmpty());
}

// What a tree holds: directories have no file.
using Model = std::map<std::u16string, std::optional<int>>;

bool is_at_or_below(std::u16string_view path, std::u16string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == u'\\');
}

void erase(Model& model, const std::u16string& path) {
  std::erase_if(model, [&](const auto& entry) { return is_at_or_below(entry.first, path); });
}

void move(Model& model, const std::u16string& from, const std::u16string& to) {
  Model moved;
  for (const auto& [path, file] : model) {
    if (is_at_or_below(path, from)) moved[to + path.substr(from.size())] = file;
  }
  erase(model, from);
  erase(model, to);
  model.merge(moved);
}

class RandomChanges {
 public:
  explicit RandomChanges(unsigned seed) : random_(seed) {}

  void apply(Writer& writer, int count) {
    for (int i = 0; i < count; ++i) change(writer);
  }

  void expect_in(const Image& image) const {
    std::map<FileId, int> files;
    std::map<int, std::uint32_t> names;
    for (const auto& [path, file] : model_) {
      if (file) ++names[*file];
    }
    for (const auto& [path, file] : model_) {
      const std::string name = image_to_linux_path(path);
      const auto id = image.resolve(path);
      ASSERT_TRUE(id) << name;
      ASSERT_EQ(!file, image.file(*id).is_directory()) << name;
      if (!file) {
        const auto children = [&, &directory = path](const auto& entry) {
          return parent_of(entry.first) == directory;
        };
        ASSERT_EQ(std::ranges::count_if(model_, children), image.entries(image.file(*id)).size())
            << name;
        continue;
      }
      ASSERT_EQ(*file, files.try_emplace(*id, *file).first->second) << name;
      ASSERT_EQ(std::to_string(*file), content(image, path)) << name;
      ASSERT_EQ(names[*file], image.link_count(image.file(*id))) << name;
    }
  }

 private:
  static std::u16string parent_of(const std::u16string& path) {
    const std::size_t end = path.rfind(u'\\');
    return end == std::u16string::npos ? u"" : path.substr(0, end);
  }

  std::size_t below(std::size_t limit) { return random_() % limit; }

  std::u16string existing() { return std::next(model_.begin(), below(model_.size()))->first; }

  // One of few names, so that there often is something already.
  std::u16string place() {
    const std::u16string name(1, static_cast<char16_t>(u'a' + below(5)));
    if (model_.empty()) return name;
    const std::u16string above = existing();
    return model_[above] || below(4) == 0 ? name : above + u"\\" + name;
  }

  void change(Writer& writer) {
    const std::u16string path = place();
    const auto present = model_.find(path);
    switch (model_.empty() ? 0 : below(6)) {
      case 0:
        writer.create_directory(path, {});
        if (present == model_.end() || present->second) model_[path] = std::nullopt;
        return;
      case 1:
        put(writer, path, std::to_string(++last_file_));
        erase(model_, path);
        model_[path] = last_file_;
        return;
      case 2: {
        const std::u16string target = existing();
        if (!model_[target] || (present != model_.end() && !present->second)) return;
        writer.create_hard_link(path, target);
        model_[path] = model_[target];
        return;
      }
      case 3: {
        if (below(3) != 0) return;
        const std::u16string removed = existing();
        writer.remove(removed);
        return erase(model_, removed);
      }
      default:
        return rename(writer, existing(), path);
    }
  }

  void rename(Writer& writer, const std::u16string& from, const std::u16string& to) {
    const auto present = model_.find(to);
    const bool is_same = present != model_.end() && model_[from] && model_[from] == present->second;
    const auto error = error_of([&] { writer.rename(from, to); });
    if (from != to && !model_[from] && is_at_or_below(to, from)) {
      EXPECT_EQ(Errc::invalid_argument, error);
      return;
    }
    EXPECT_EQ(std::nullopt, error);
    if (from != to && !is_same) move(model_, from, to);
  }

  std::mt19937 random_;
  Model model_;
  int last_file_ = 0;
};

TEST_F(RenameTest, RandomChangesAreAsAMapHasThem) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    RandomChanges changes(seed);
    for (int version = 0; version < 4; ++version) {
      Writer::Options options = fresh();
      options.replace = true;
      Writer writer(version == 0 ? options : extending());
      changes.apply(writer, 40);
      writer.commit();
      ASSERT_NO_FATAL_FAILURE(changes.expect_in(open()));
      check();
    }
  }
}

}  // namespace
}  // namespace cim
