// Writer::merge(), tombstones and merge links, compared with an independent idea of what lies over
// what.
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <cim/writer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/merge_marks.h"
#include "format/reparse.h"
#include "format/security_descriptor.h"
#include "image/corruption.h"
#include "image/explorer.h"
#include "image/foreign_tree.h"
#include "image/sample_image.h"
#include "support/error_of.h"
#include "support/forged_executable.h"
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
using test::message_of;
using test::put;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::u16string u16(const std::string& ascii) { return {ascii.begin(), ascii.end()}; }

// Everything of a file but its names.
struct Thing {
  enum class Kind { file, directory, tombstone, merge_link };
  Kind kind = Kind::file;
  std::int64_t time = 0;
  std::string content = {};  // of a merge link: its target
  std::string attributes = {};
  std::map<std::string, std::string> streams = {};
};

// Hard links share the Thing. A directory comes before what is in it.
using Paths = std::map<std::string, std::shared_ptr<Thing>>;

bool is_below(const std::string& path, const std::string& directory) {
  return path == directory || path.starts_with(directory + "\\");
}

// Lays `layer` over `all`. Returns whether all merge links lead to files.
bool lay_over(Paths& all, const Paths& layer) {
  std::map<const Thing*, std::shared_ptr<Thing>> copies;
  std::map<std::string, std::shared_ptr<Thing>> links;
  for (const auto& [path, thing] : layer) {
    const auto below = all.find(path);
    const bool merges = below != all.end() && thing->kind == Thing::Kind::directory &&
                        below->second->kind == Thing::Kind::directory;
    if (merges) {
      const auto streams = below->second->streams;
      *below->second = *thing;
      below->second->streams.insert(streams.begin(), streams.end());
      continue;
    }
    std::erase_if(all, [&top = path](const auto& entry) { return is_below(entry.first, top); });
    if (thing->kind == Thing::Kind::tombstone) continue;
    std::shared_ptr<Thing>& copy = copies[thing.get()];
    if (!copy) copy = std::make_shared<Thing>(*thing);
    all[path] = copy;
    if (thing->kind == Thing::Kind::merge_link) links[path] = copy;
  }
  Paths resolved;
  for (const auto& [path, link] : links) {
    std::shared_ptr<Thing> target = link;
    for (std::size_t steps = 0; target->kind == Thing::Kind::merge_link; ++steps) {
      const auto next = all.find(target->content);
      if (next == all.end() || steps > links.size()) return false;
      target = next->second;
    }
    if (target->kind == Thing::Kind::directory) return false;
    resolved[path] = target;
  }
  for (const auto& [path, target] : resolved) all[path] = target;
  return true;
}

class MergeTest : public testing::Test {
 protected:
  Writer::Options fresh(const std::string& name) const {
    return {.directory = directory_.string(), .name = name, .expand_executables = true};
  }
  Writer::Options forking(const std::string& from, const std::string& to) const {
    return {.directory = directory_.string(), .existing = from, .name = to};
  }
  Image open(const std::string& name) const { return Image(directory_ / name); }

  void merge(const std::string& name, const std::vector<std::string>& images) const {
    Writer writer(fresh(name));
    writer.merge(images);
    writer.commit();
  }

  template <typename Fill>
  static void write_image(const Writer::Options& options, Fill&& fill) {
    Writer writer(options);
    fill(writer);
    writer.commit();
  }

  // Makes an image of `files` and directories, whose names end with a `\`.
  void make(const std::string& name, const std::map<std::string, std::string>& files) const {
    write_image(fresh(name), [&](Writer& writer) { fill(writer, files); });
  }

  static void fill(Writer& writer, const std::map<std::string, std::string>& files) {
    for (const auto& [path, text] : files) {
      if (path.ends_with('\\')) {
        writer.create_directory(u16(path.substr(0, path.size() - 1)), {});
      } else {
        put(writer, u16(path), text);
      }
    }
  }

  // Expects the image to be sound, its digests too.
  void check(const std::string& name) const {
    EXPECT_EQ(0u, test::errors_of_check(directory_ / name, true)) << name;
  }

  const test::TemporaryDirectory directory_;
};

class RandomLayers : public MergeTest {
 protected:
  explicit RandomLayers(unsigned seed = 1) : random_(seed) {}

  std::size_t below(std::size_t limit) { return random_() % limit; }

  std::string name() { return std::string(1, static_cast<char>('a' + below(6))); }

  std::string path() {
    std::string text = name();
    for (std::size_t more = below(3); more > 0; --more) text += "\\" + name();
    return text;
  }

  std::string text() {
    const std::size_t lengths[] = {0, 3, 100, 20000};
    if (below(6) == 0) return test::ForgedExecutable(below(3) * 100).bytes();
    return std::string(lengths[below(4)], static_cast<char>('a' + below(26)));
  }

  Thing thing() {
    Thing made;
    made.time = static_cast<std::int64_t>(below(1000));
    const std::size_t kind = below(20);
    if (kind < 7) {
      made.kind = Thing::Kind::directory;
    } else if (kind < 10) {
      return {.kind = Thing::Kind::tombstone};
    } else if (kind < 11 && below(3) == 0) {
      return {.kind = Thing::Kind::merge_link, .content = path()};
    } else {
      made.content = text();
    }
    if (below(3) == 0) {
      format::EaBuilder list;
      list.add("LX.user." + name(), bytes(name()));
      made.attributes.assign(reinterpret_cast<const char*>(list.list().data()), list.list().size());
    }
    while (below(4) == 0) made.streams["s" + name()] = text();
    return made;
  }

  Paths layer() {
    Paths paths = {
        {"", std::make_shared<Thing>(Thing{.kind = Thing::Kind::directory,
                                           .time = static_cast<std::int64_t>(below(1000))})}};
    std::vector<std::string> directories = {""};
    for (std::size_t i = below(30); i > 0; --i) {
      const std::string& parent = directories[below(directories.size())];
      const std::string path = parent.empty() ? name() : parent + "\\" + name();
      if (paths.contains(path)) continue;
      const auto linked =
          std::next(paths.begin(), static_cast<std::ptrdiff_t>(below(paths.size())));
      const bool is_link = below(4) == 0 && linked->second->kind == Thing::Kind::file;
      const auto made = is_link ? linked->second : std::make_shared<Thing>(thing());
      paths[path] = made;
      if (made->kind == Thing::Kind::directory) directories.push_back(path);
    }
    return paths;
  }

  void write(Writer& writer, const Paths& paths) {
    std::map<const Thing*, std::string> first_paths;
    for (const auto& [path, thing] : paths) {
      const auto [first, is_first] = first_paths.emplace(thing.get(), path);
      const Metadata metadata = {.last_write_time = thing->time,
                                 .extended_attributes = bytes(thing->attributes)};
      if (!is_first) {
        if (writer.find(u16(path)) == Writer::Kind::directory) writer.remove(u16(path));
        writer.create_hard_link(u16(path), u16(first->second));
        continue;
      }
      switch (thing->kind) {
        case Thing::Kind::directory:
          writer.create_directory(u16(path), metadata);
          break;
        case Thing::Kind::file:
          put(writer, u16(path), thing->content, metadata);
          break;
        case Thing::Kind::tombstone:
          writer.create_tombstone(u16(path));
          break;
        case Thing::Kind::merge_link:
          writer.create_merge_link(u16(path), u16(thing->content));
          break;
      }
      for (const auto& [name, text] : thing->streams) {
        WriteStream stream = writer.create_named_stream(u16(path), u16(name), text.size());
        stream.write(bytes(text));
      }
    }
  }

  // Compares everything with `expected`.
  void expect_paths(const Image& image, const Paths& expected) {
    std::map<FileId, const Thing*> things;
    std::map<const Thing*, std::uint32_t> links;
    std::vector<std::string> found;
    std::vector<std::string> pending = {""};
    while (!pending.empty()) {
      const std::string path = pending.back();
      pending.pop_back();
      found.push_back(path);
      const auto entry = expected.find(path);
      if (entry == expected.end()) continue;
      const Thing& thing = *entry->second;
      const File file = file_at(image, u16(path));
      expect_thing(image, file, path, thing);
      EXPECT_EQ(&thing, things.emplace(file.id, &thing).first->second) << path;
      ++links[&thing];
      if (!file.is_directory()) continue;
      for (const std::string& name : list(image, u16(path))) {
        pending.push_back(path.empty() ? name : path + "\\" + name);
      }
    }
    std::vector<std::string> names;
    for (const auto& [path, thing] : expected) names.push_back(path);
    EXPECT_THAT(found, testing::UnorderedElementsAreArray(names));
    EXPECT_EQ(things.size(), links.size());
    for (const auto& [id, thing] : things) {
      if (thing->kind == Thing::Kind::file) {
        EXPECT_EQ(links[thing], image.link_count(image.file(id)));
      }
    }
  }

  static void expect_thing(const Image& image, const File& file, const std::string& path,
                           const Thing& thing) {
    EXPECT_EQ(thing.kind == Thing::Kind::directory, file.is_directory()) << path;
    EXPECT_EQ(thing.time, file.last_write_time) << path;
    EXPECT_EQ(0u, file.reparse_tag) << path;
    const ByteView attributes = image.extended_attributes(file);
    EXPECT_TRUE(std::ranges::equal(bytes(thing.attributes), attributes)) << path;
    if (!file.is_directory()) {
      EXPECT_TRUE(thing.content == content(image, file.stream)) << path;
    }
    std::map<std::string, std::string> streams;
    for (const NamedStream& stream : image.named_streams(file)) {
      streams[image_to_linux_name(stream.name)] = content(image, stream.stream);
    }
    EXPECT_TRUE(thing.streams == streams) << path;
  }

  std::mt19937 random_;
};

TEST_F(RandomLayers, AreWhatApplyingThemMakes) {
  int refused = 0;
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE(round);
    Paths expected;
    std::vector<std::string> names;
    bool is_sound = true;
    for (std::size_t count = 1 + below(4); count > 0; --count) {
      const Paths paths = layer();
      names.insert(names.begin(), fmt::format("{}-{}.cim", round, count));
      // Some share the region files of the one below: what the fork adds lies over that.
      Writer writer(fresh(names.front()));
      write(writer, paths);
      writer.commit();
      is_sound = is_sound && lay_over(expected, paths);
      if (below(4) == 0) {  // once more over itself, and over what was there
        names.insert(names.begin(), names.front());
        is_sound = is_sound && lay_over(expected, paths);
      }
    }
    const std::string merged = fmt::format("{}.cim", round);
    if (!is_sound) {
      ++refused;
      EXPECT_NE(std::nullopt, error_of([&] { merge(merged, names); }));
      continue;
    }
    merge(merged, names);
    check(merged);
    expect_paths(open(merged), expected);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(refused, 5);
  EXPECT_LT(refused, 80);
}

TEST_F(RandomLayers, ForksOfEachOtherAreLayersToo) {
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    // Each image is a fork of an earlier one, or of none; what it holds is its layer.
    std::vector<std::string> names;
    std::vector<Paths> layers;
    for (std::size_t index = 0; index < 4; ++index) {
      Paths paths = layer();
      std::erase_if(paths, [](const auto& entry) {
        return entry.second->kind == Thing::Kind::tombstone ||
               entry.second->kind == Thing::Kind::merge_link;
      });
      const std::string name = fmt::format("{}-{}.cim", round, index);
      const std::size_t base = below(index + 1);
      Writer writer(base < index ? forking(names[base], name) : fresh(name));
      write(writer, paths);
      writer.commit();
      Paths all = base < index ? layers[base] : Paths();
      if (base < index) {  // lay_over() changes things in place
        std::map<const Thing*, std::shared_ptr<Thing>> copies;
        for (auto& [path, thing] : all) {
          auto& copy = copies[thing.get()];
          if (!copy) copy = std::make_shared<Thing>(*thing);
          thing = copy;
        }
      }
      lay_over(all, paths);
      names.push_back(name);
      layers.push_back(std::move(all));
    }
    std::vector<std::size_t> order = {0, 1, 2, 3};
    std::ranges::shuffle(order, random_);
    Paths expected;
    std::vector<std::string> merged_names;
    for (const std::size_t index : order) {
      merged_names.insert(merged_names.begin(), names[index]);
      lay_over(expected, layers[index]);
    }
    const std::string merged = fmt::format("{}.cim", round);
    merge(merged, merged_names);
    check(merged);
    expect_paths(open(merged), expected);
    std::set<std::string> ids;
    for (const RegionSetInfo& set : open(merged).region_sets()) ids.insert(set.id);
    EXPECT_EQ(ids.size(), open(merged).region_sets().size()) << "a set is listed twice";
    if (testing::Test::HasFailure()) return;
  }
}

TEST_F(MergeTest, CopiesNoData) {
  make("base.cim", {{"large", std::string(3 << 20, 'b')}});
  make("top.cim", {{"other", std::string(3 << 20, 't')}});
  const auto size = [&] {
    std::uint64_t total = 0;
    for (const std::string& name : test::names_in(directory_.string())) {
      total += std::filesystem::file_size(directory_ / name);
    }
    return total;
  };
  const std::uint64_t before = size();
  merge("both.cim", {"top.cim", "base.cim"});
  EXPECT_LT(size(), before + 10000);
  EXPECT_EQ(content(open("both.cim"), u"large").size(), 3u << 20);
  EXPECT_EQ(content(open("both.cim"), u"other").size(), 3u << 20);
}

TEST_F(MergeTest, CanBeBuiltUpon) {
  make("base.cim", {{"a", "1"}, {"d\\", ""}, {"d\\b", std::string(20000, 'b')}});
  make("top.cim", {{"d\\", ""}, {"d\\c", std::string(20000, 'c')}});
  write_image(fresh("both.cim"), [](Writer& writer) {
    const std::vector<std::string> names = {"top.cim", "base.cim"};
    writer.merge(names);
    put(writer, u"d\\again", std::string(20000, 'b'));
    writer.remove(u"a");
  });
  check("both.cim");
  EXPECT_THAT(list(open("both.cim"), u"d"), ElementsAre("again", "b", "c"));
  write_image(forking("both.cim", "fork.cim"),
              [](Writer& writer) { put(writer, u"d\\third", std::string(20000, 'c')); });
  check("fork.cim");
  // Equal data of both is shared.
  const Image image = open("fork.cim");
  EXPECT_EQ(file_at(image, u"d\\b").stream.region_offset,
            file_at(image, u"d\\again").stream.region_offset);
  EXPECT_EQ(file_at(image, u"d\\c").stream.region_offset,
            file_at(image, u"d\\third").stream.region_offset);
  merge("again.cim", {"fork.cim", "both.cim", "top.cim"});
  check("again.cim");
  EXPECT_THAT(list(open("again.cim"), u"d"), ElementsAre("again", "b", "c", "third"));
}

TEST_F(MergeTest, EqualMergesAreEqualFiles) {
  make("base.cim", {{"a", "1"}, {"d\\", ""}, {"d\\b", "2"}});
  make("top.cim", {{"c", "1"}, {"d\\", ""}, {"d\\c", "3"}});
  merge("x.cim", {"top.cim", "base.cim"});
  const auto names = test::names_in(directory_.string());
  merge("y.cim", {"top.cim", "base.cim"});
  EXPECT_EQ(test::names_in(directory_.string()).size(), names.size() + 1);
  EXPECT_EQ(test::bytes_of_file(directory_ / "x.cim"), test::bytes_of_file(directory_ / "y.cim"));
}

TEST_F(MergeTest, KnowsWhichXattrsTheFilesHave) {
  format::EaBuilder security;
  security.add("LX.security.capability", bytes("lxeax"));
  format::EaBuilder trusted;
  trusted.add("LX.trusted.x", bytes("lxeax"));
  for (const auto& [name, list] :
       {std::pair{"base.cim", security.list()}, {"top.cim", trusted.list()}}) {
    Writer writer(fresh(name));
    put(writer, linux_to_image_name(name), "", {.extended_attributes = list});
    writer.commit();
  }
  merge("both.cim", {"top.cim", "base.cim"});
  check("both.cim");  // which compares the names
  const auto names = ImageInternals(open("both.cim")).attribute_names();
  ASSERT_TRUE(names);
  EXPECT_TRUE(names->may_include("LX.security.capability"));
  EXPECT_TRUE(names->may_include("LX.trusted.x"));
  EXPECT_FALSE(names->may_include("LX.trusted.y"));
}

TEST_F(MergeTest, IgnoresCaseIfAllImagesDo) {
  for (const auto& [name, path] :
       {std::pair{"base.cim", u"Dir\\File"}, {"top.cim", u"DIR\\fILE"}}) {
    Writer::Options options = fresh(name);
    options.case_insensitive = true;
    Writer writer(options);
    writer.create_directory(std::u16string(path).substr(0, 3), {});
    put(writer, path, name);
    writer.commit();
  }
  make("linux.cim", {});
  merge("both.cim", {"top.cim", "base.cim"});
  check("both.cim");
  EXPECT_FALSE(open("both.cim").case_sensitive());
  EXPECT_THAT(list(open("both.cim"), u"dir"), ElementsAre("fILE"));
  EXPECT_THAT(message_of([&] {
                merge("x.cim", {"linux.cim", "base.cim"});
              }),
              HasSubstr("linux.cim: has other rules than "));
  EXPECT_EQ(Errc::invalid_argument, error_of([&] { merge("x.cim", {"top.cim", "linux.cim"}); }));
}

TEST_F(MergeTest, ATombstoneIsAWhiteoutUntilThen) {
  make("base.cim", {{"d\\", ""}, {"d\\a", "1"}, {"d\\b", "2"}, {"f", "3"}});
  {
    Writer writer(fresh("top.cim"));
    writer.create_directory(u"d", {});
    writer.create_tombstone(u"d\\a");
    writer.create_tombstone(u"f");
    writer.create_tombstone(u"missing");
    EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_tombstone(u"x\\a"); }));
    EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.create_tombstone(u""); }));
    writer.commit();
  }
  const Image top = open("top.cim");
  const struct stat status = posix::attributes(top, file_at(top, u"f"), {});
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  EXPECT_EQ(0u, status.st_rdev);
  merge("both.cim", {"top.cim", "base.cim"});
  check("both.cim");
  EXPECT_THAT(list(open("both.cim"), u""), ElementsAre("d"));
  EXPECT_THAT(list(open("both.cim"), u"d"), ElementsAre("b"));
  merge("alone.cim", {"top.cim"});
  check("alone.cim");
  EXPECT_THAT(list(open("alone.cim"), u""), ElementsAre("d"));
  EXPECT_THAT(list(open("alone.cim"), u"d"), IsEmpty());
}

TEST_F(MergeTest, ADirectoryInPlaceOfATombstoneHidesWhatIsInTheDirectoryBelow) {
  make("base.cim", {{"d\\", ""}, {"d\\old", "1"}});
  for (const bool is_late : {false, true}) {
    const std::string top = is_late ? "late.cim" : "top.cim";
    {
      Writer writer(fresh(top));
      writer.create_tombstone(u"d");
      if (!is_late) fill(writer, {{"d\\", ""}, {"d\\new", "2"}});
      writer.commit();
    }
    if (is_late) {
      Writer writer({.directory = directory_.string(), .existing = top});
      fill(writer, {{"d\\", ""}, {"d\\new", "2"}});
      writer.create_directory(u"d", {.attributes = attribute::hidden});
      writer.commit();
    }
    merge("both-" + top, {top, "base.cim"});
    check("both-" + top);
    EXPECT_THAT(list(open("both-" + top), u"d"), ElementsAre("new"));
  }
}

TEST_F(MergeTest, MergeLinksLeadThroughEachOther) {
  make("base.cim", {{"d\\", ""}, {"d\\file", "text"}, {"over", "old"}});
  {
    Writer writer(fresh("middle.cim"));
    writer.create_merge_link(u"one", u"d\\file");
    writer.create_merge_link(u"two", u"one");
    writer.create_directory(u"d", {});
    writer.create_merge_link(u"d\\three", u"d\\four");
    writer.create_merge_link(u"d\\four", u"two");
    writer.create_hard_link(u"five", u"two");
    writer.create_merge_link(u"over", u"d\\file");
    EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.create_merge_link(u"x", u""); }));
    EXPECT_EQ(Errc::path_not_found, error_of([&] { writer.create_merge_link(u"x\\y", u"z"); }));
    EXPECT_EQ(Errc::limit_exceeded, error_of([&] {
                std::u16string deep(32000, u'x');
                for (std::size_t i = 200; i < deep.size(); i += 200) deep[i] = u'\\';
                writer.create_merge_link(u"x", deep);
              }));
    writer.commit();
  }
  // Links see what is at their own level or below.
  make("top.cim", {{"d\\", ""}, {"d\\file", "newer"}});
  const Image middle = open("middle.cim");
  EXPECT_EQ("./d/file", posix::symlink_target(middle, file_at(middle, u"one")));
  EXPECT_EQ("../two", posix::symlink_target(middle, file_at(middle, u"d\\four")));
  merge("all.cim", {"top.cim", "middle.cim", "base.cim"});
  check("all.cim");
  const Image image = open("all.cim");
  for (const char16_t* link : {u"one", u"two", u"five", u"over", u"d\\three", u"d\\four"}) {
    EXPECT_EQ("text", content(image, link));
    EXPECT_EQ(6u, image.link_count(file_at(image, link)));
  }
  EXPECT_EQ("newer", content(image, u"d\\file"));
  // A link of the lowest image leads to a file of its own.
  make("none.cim", {});
  {
    Writer writer(fresh("self.cim"));
    put(writer, u"file", "text");
    writer.create_merge_link(u"link", u"file");
    writer.commit();
  }
  merge("lowest.cim", {"none.cim", "self.cim"});
  check("lowest.cim");
  EXPECT_EQ(2u, open("lowest.cim").link_count(file_at(open("lowest.cim"), u"link")));
}

TEST_F(MergeTest, RefusesMergeLinksThatLeadNowhere) {
  make("base.cim", {{"d\\", ""}, {"file", "text"}});
  const auto message = [&](std::u16string_view path, std::u16string_view target) {
    Writer::Options options = fresh("top.cim");
    options.replace = true;
    write_image(options, [&](Writer& writer) { writer.create_merge_link(path, target); });
    const auto before = test::names_in(directory_.string());
    const std::string reason = message_of([&] { merge("x.cim", {"top.cim", "base.cim"}); });
    EXPECT_EQ(before, test::names_in(directory_.string()));
    return reason;
  };
  EXPECT_THAT(message(u"link", u"missing"),
              testing::EndsWith("top.cim: missing: the merge link 'link' leads here, but no image "
                                "that is merged has it"));
  EXPECT_THAT(
      message(u"link", u"d"),
      testing::EndsWith("top.cim: d: is a directory, but the merge link 'link' leads to it"));
  EXPECT_THAT(message(u"link", u"link"),
              testing::EndsWith("top.cim: link: is a merge link that leads to itself"));
}

TEST_F(MergeTest, NamesTheLowestImageTooIfItsMarksAreRefused) {
  make("top.cim", {});
  write_image(fresh("lowest.cim"),
              [](Writer& writer) { writer.create_merge_link(u"link", u"missing"); });
  EXPECT_THAT(message_of([&] {
                merge("x.cim", {"top.cim", "lowest.cim"});
              }),
              HasSubstr("/lowest.cim: missing: the merge link 'link' leads here"));
  const format::MarkMetadata forged = format::make_merge_link(u"link", u"target");
  format::EaBuilder list;
  list.add("CIMFS.MERGELINK", bytes("odd"));
  write_image(fresh("forged.cim"), [&](Writer& writer) {
    put(writer, u"link", "",
        {.reparse_data = forged.reparse_data, .extended_attributes = list.list()});
  });
  EXPECT_THAT(message_of([&] {
                merge("x.cim", {"top.cim", "forged.cim"});
              }),
              HasSubstr("/forged.cim: merge link: a target of 3 bytes"));
}

TEST_F(MergeTest, RefusesWhatCannotBeMerged) {
  make("base.cim", {{"a", "1"}});
  make("top.cim", {{"b", "2"}});
  const std::vector<std::string> both = {"top.cim", "base.cim"};
  const auto refusal = [&](const std::vector<std::string>& names) {
    return error_of([&] { merge("x.cim", names); });
  };
  const auto before = test::names_in(directory_.string());
  EXPECT_EQ(Errc::file_not_found, refusal({"top.cim", "missing.cim"}));
  EXPECT_EQ(Errc::file_not_found, refusal({"missing.cim", "top.cim"}));
  EXPECT_EQ(Errc::invalid_argument, refusal({"top.cim", "a/base.cim"}));
  EXPECT_EQ(Errc::invalid_argument, refusal({"", "base.cim"}));
  EXPECT_EQ(Errc::invalid_argument, refusal({}));
  EXPECT_EQ(Errc::file_exists, error_of([&] { merge("top.cim", both); }));
  Writer used(fresh("x.cim"));
  put(used, u"c", "3");
  EXPECT_EQ(Errc::invalid_argument, error_of([&] { used.merge(both); }));
  EXPECT_EQ(Writer::Kind::file, used.find(u"c"));
  used.remove(u"c");
  EXPECT_EQ(before, test::names_in(directory_.string()));
}

TEST_F(MergeTest, FailsAndCanBeTriedAgain) {
  make("base.cim", {{"a", "1"}});
  make("top.cim", {{"b", "2"}});
  Writer writer(fresh("x.cim"));
  const std::vector<std::string> missing = {"missing.cim", "base.cim"};
  const std::vector<std::string> both = {"top.cim", "base.cim"};
  EXPECT_EQ(Errc::file_not_found, error_of([&] { writer.merge(missing); }));
  EXPECT_EQ(Writer::Kind::none, writer.find(u"a"));
  writer.merge(both);
  // The lock on the directory was held all the time.
  EXPECT_EQ(Errc::sharing_violation, error_of([&] { Writer other(fresh("y.cim")); }));
  EXPECT_EQ(Errc::invalid_argument, error_of([&] { writer.merge(both); }));
  writer.commit();
  EXPECT_THAT(list(open("x.cim"), u""), ElementsAre("a", "b"));
}

class MergedForeignTree
    : public MergeTest,
      public testing::WithParamInterface<std::tuple<std::uint32_t, test::NamedChoices>> {};

INSTANTIATE_TEST_SUITE_P(, MergedForeignTree,
                         testing::Combine(testing::Values(1, 2, 3),
                                          testing::ValuesIn(test::all_choices)),
                         test::name_of_choices);

TEST_P(MergedForeignTree, IsTheSameAboveAndBelow) {
  const auto& [version, choices] = GetParam();
  const test::ForeignTree tree(directory_.string(), version, choices.second);
  Writer::Options options = fresh("own.cim");
  options.case_insensitive = true;
  write_image(options, [](Writer& writer) {
    fill(writer, {{"D\\", ""}, {"D\\own", "own"}, {"z", std::string(20000, 'z')}});
  });
  for (const bool above : {false, true}) {
    const std::string name = above ? "above.cim" : "below.cim";
    merge(name, above ? std::vector<std::string>{"forged.cim", "own.cim"}
                      : std::vector<std::string>{"own.cim", "forged.cim"});
    check(name);
    const Image image = open(name);
    for (const auto& [path, text] : tree.contents()) EXPECT_EQ(text, content(image, path));
    EXPECT_EQ("own", content(image, u"d\\own"));
    EXPECT_EQ(20000u, content(image, u"z").size());
    const File f = file_at(image, u"f");
    EXPECT_EQ(f.id, file_at(image, u"d\\g").id);
    EXPECT_EQ(2u, image.link_count(f));
    std::map<std::u16string, std::string> streams;
    for (const NamedStream& stream : image.named_streams(f)) {
      streams[stream.name] = content(image, stream.stream);
    }
    EXPECT_EQ(tree.streams(), streams);
  }
}

class MergedBrokenImage : public MergeTest,
                          public testing::WithParamInterface<test::BreakableImage> {};

INSTANTIATE_TEST_SUITE_P(, MergedBrokenImage, testing::ValuesIn(test::breakable_images),
                         [](const auto& test) { return test.param.name; });

TEST_P(MergedBrokenImage, EndsInACleanErrorOrAnImage) {
  GetParam().make(directory_.string());
  Writer::Options options = fresh("own.cim");
  options.case_insensitive = !open("a.cim").case_sensitive();
  write_image(options, [](Writer& writer) {
    fill(writer, {{"d\\", ""}, {"d\\large", "own"}, {"link", "x"}});
    writer.create_tombstone(u"sparse");
  });
  int errors = 0;
  int merged = 0;
  test::try_corruptions(directory_ / "a.cim", 8 * GetParam().step, [&](const test::Corruption&) {
    const std::clock_t start = std::clock();
    for (const auto& names : {std::vector<std::string>{"a.cim", "own.cim"},
                              std::vector<std::string>{"own.cim", "a.cim"}}) {
      try {
        Writer merging(fresh("x.cim"));
        merging.merge(names);
        if (++merged % 16 != 1) continue;  // a commit waits for the disk
        merging.commit();
        test::Explorer(directory_ / "x.cim").explore();
        std::filesystem::remove(directory_ / "x.cim");
      } catch (const Error& error) {
        ++errors;
        EXPECT_THAT(error.what(), testing::AnyOf(HasSubstr(".cim"), HasSubstr("region_")));
      }
    }
    EXPECT_LT(std::clock() - start, 5 * CLOCKS_PER_SEC);
  });
  EXPECT_GT(errors, 10);
  EXPECT_GT(merged, 10);
}

TEST_F(MergeTest, RefusesADirectoryWithTwoNames) {
  test::ForgedImage forged;
  forged.write(directory_.string(),
               {{.default_stream = forged.directory({{u"a", 2}, {u"b", 2}}), .parent = 1},
                {.default_stream = forged.directory({{u"up", 1}}), .parent = 1}});
  make("own.cim", {});
  EXPECT_THAT(message_of([&] {
                merge("x.cim", {"forged.cim", "own.cim"});
              }),
              HasSubstr("has a second name"));
}

TEST_F(MergeTest, RefusesNamesOutOfOrder) {
  test::ForgedImage forged;
  forged.write(directory_.string(),
               {{.default_stream = forged.directory({{u"b", 2}, {u"a", 2}}), .parent = 1},
                {.default_stream = forged.file_data("x"), .parent = 1}});
  make("own.cim", {});
  EXPECT_THAT(message_of([&] {
                merge("x.cim", {"forged.cim", "own.cim"});
              }),
              HasSubstr("directory 1: entry 1: out of order"));
}

TEST_F(MergeTest, RefusesMarksOutOfOrderInTheLowestImage) {
  test::ForgedImage forged;
  forged.write(directory_.string(),
               {{.default_stream = forged.directory({{u"b", 2}, {u"a", 2}}), .parent = 1},
                {.reparse_tag = format::tag_lx_chr, .parent = 1}});
  make("own.cim", {});
  EXPECT_THAT(message_of([&] {
                merge("x.cim", {"own.cim", "forged.cim"});
              }),
              HasSubstr("/forged.cim: directory 1: out of order, or the same name twice"));
}

TEST_F(MergeTest, RefusesMoreRegionFilesThanAnImageCanHave) {
  make("own.cim", {});
  const auto forge = [&](const std::string& name, std::uint32_t id) {
    format::FilesystemHeader header = test::ForgedImage().header;
    header.regions.id.data1 = id;
    header.regions.count = 40000;
    std::ofstream(directory_ / name).write(reinterpret_cast<const char*>(&header), sizeof(header));
  };
  forge("a.cim", 1);
  forge("b.cim", 2);
  const auto before = test::names_in(directory_.string());
  EXPECT_EQ("together, the images have more than 65536 region files", message_of([&] {
              merge("x.cim", {"a.cim", "b.cim", "own.cim"});
            }));
  EXPECT_EQ(before, test::names_in(directory_.string()));
}

TEST_F(MergeTest, RefusesMoreRegionSetsThanAnImageCanList) {
  test::ForgedImage forged;
  forged.write(directory_.string(), {{.default_stream = forged.directory({}), .parent = 1}});
  // As many parents as fit, without region files.
  format::FilesystemHeader header = forged.header;
  header.parent_count = UINT16_MAX;
  const std::vector<format::RegionSet> parents(UINT16_MAX);
  std::ofstream file(directory_ / "forged.cim");
  file.write(reinterpret_cast<const char*>(&header), sizeof(header));
  file.write(reinterpret_cast<const char*>(parents.data()),
             static_cast<std::streamsize>(parents.size() * sizeof(parents[0])));
  file.close();
  const auto before = test::names_in(directory_.string());
  EXPECT_THAT(message_of([&] { Writer(forking("forged.cim", "fork.cim")).commit(); }),
              HasSubstr("builds on more than 65,535 region sets"));
  EXPECT_EQ(before, test::names_in(directory_.string()));
}

}  // namespace
}  // namespace cim
