// Merging: each byte of the input chooses a call of the C API or an edit, those after it its
// arguments. They make up to five images in one directory, all of which are merged at the end.
#include <array>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <cimfs.h>

#include "format/extended_attributes.h"
#include "format/merge_marks.h"
#include "format/reparse.h"
#include "fuzz/edited_files.h"
#include "fuzz/input.h"
#include "image/corruption.h"
#include "image/explorer.h"
#include "image/internals.h"
#include "support/forged_executable.h"
#include "support/temporary_directory.h"
#include "transfer/image_walk.h"

namespace cim::fuzz {
namespace {

constexpr std::array<PCWSTR, 12> paths = {u"a",       u"b",       u"d", u"d\\a", u"d\\b", u"d\\d",
                                          u"d\\d\\a", u"d\\d\\b", u"A", u"D\\B", u"d\\D", u"c"};
constexpr std::array<PCWSTR, 5> image_names = {u"0.cim", u"1.cim", u"2.cim", u"3.cim", u"4.cim"};
constexpr PCWSTR merged_name = u"merged.cim";
constexpr PCWSTR linux_name = u"linux.cim";
constexpr PCWSTR sample_name = u"a.cim";

constexpr std::array<std::uint32_t, 6> tags = {0,
                                               format::tag_lx_chr,
                                               format::tag_symlink,
                                               format::tag_lx_blk,
                                               format::tag_mount_point,
                                               format::tag_lx_symlink};
constexpr std::array<const char*, 7> attribute_names = {
    "$LXDEV", "$lxdev", "CIMFS.MERGELINK", "LX.trusted.overlay.opaque", "LX.user.overlay.opaque",
    "$LXMOD", "other"};

// An element of `choices`.
template <typename Choices>
auto choose(Input& input, const Choices& choices) {
  return choices[input.take<std::uint8_t>() % choices.size()];
}

void require(bool condition, const std::string& otherwise) {
  if (!condition) throw std::logic_error(otherwise);
}

std::string last_message() {
  std::array<char, 4096> message = {};
  CimGetLastErrorMessage(message.data(), message.size());
  return message.data();
}

// What a file of a new image is made with.
struct FileMaking {
  std::uint32_t attributes = 0;
  std::string data = {};
  std::vector<std::byte> reparse_data = {};
  format::EaBuilder extended_attributes = {};
};

// The images in one directory. What has not been edited is sound.
class Session {
 public:
  void call(Input& input) {
    switch (input.take<std::uint8_t>() % 14) {
      case 0:
        return begin(nullptr);
      case 1:
        return begin_telling_case();
      case 2:
        if (made_.empty()) return;
        return begin(choose(input, made_));
      case 3:
        return replace(input);
      case 4:
        return merge(input);
      case 5: {
        PCWSTR path = choose(input, paths);
        return create(path, {.data = data(input)});
      }
      case 6:
        return create_directory(input);
      case 7:
        return forge(input);
      case 8: {
        PCWSTR path = choose(input, paths);
        CimCreateHardLink(image_, path, choose(input, paths));
        return;
      }
      case 9:
        is_changed_ = true;
        CimTombstoneFile(image_, choose(input, paths));
        return;
      case 10: {
        PCWSTR path = choose(input, paths);
        is_changed_ = has_links_ = true;
        CimCreateMergeLink(image_, path, choose(input, paths));
        return;
      }
      case 11:
        CimDeletePath(image_, choose(input, paths));
        return;
      case 12:
        return create_stream(input);
      default:
        return edit(input);
    }
  }

  // Merges all images that were made, the last of them on top.
  void finish() {
    commit();
    begin_as(nullptr, merged_name);
    for (auto name = made_.rbegin(); name != made_.rend(); ++name) add(*name);
    commit();
  }

  // An image as other writers may make it too, if it is the first.
  void make_sample(const test::BreakableImage& image) {
    image.make(directory_.string());
    made_.push_back(sample_name);
    tells_case_ = Image(path_of(sample_name)).case_sensitive();
  }

 private:
  std::string path_of(const std::u16string& name) const {
    return directory_ / std::string(name.begin(), name.end());
  }

  std::set<std::string> names_in_directory() const {
    std::set<std::string> names;
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  void begin(PCWSTR existing) {
    commit();
    if (begun_ < image_names.size()) begin_as(existing, image_names[begun_++]);
  }

  void begin_as(PCWSTR existing, PCWSTR name) {
    files_before_ = names_in_directory();
    name_ = name;
    is_new_ = true;
    merges_ = is_changed_ = false;
    const std::string directory = directory_.string();
    const std::u16string directory_name(directory.begin(), directory.end());
    const HRESULT result = CimCreateImage(directory_name.c_str(), existing, name, &image_);
    require(!is_sound_ || result == S_OK, "cannot be begun: " + last_message());
  }

  // An image that tells `a` from `A`.
  void begin_telling_case() {
    commit();
    tells_case_ = true;
    if (!boost::filesystem::exists(path_of(linux_name))) {
      Writer({.directory = directory_.string(), .name = "linux.cim"}).commit();
    }
    begin(linux_name);
  }

  void replace(Input& input) {
    commit();
    if (made_.empty()) return;
    PCWSTR name = choose(input, made_);
    begin_as(name, name);
    is_new_ = false;
  }

  void merge(Input& input) {
    begin(nullptr);
    for (auto more = input.take<std::uint8_t>() % 4; more >= 0 && !made_.empty(); --more) {
      add(choose(input, made_));
    }
    BOOLEAN exists;
    if (CimLookupFile(image_, u"a", &exists) != S_OK) commit();  // which fails again
  }

  void add(PCWSTR name) {
    if (image_ == nullptr) return;
    const HRESULT result = CimAddFsToMergedImage2(image_, name, 0);
    if (result == S_OK) {
      merges_ = true;
    } else {
      expect_message();
      require(!is_sound_, "cannot be merged: " + last_message());
    }
  }

  void commit() {
    if (image_ == nullptr) return;
    const HRESULT result = CimCommitImage(image_);
    CimCloseImage(image_);
    image_ = nullptr;
    if (result != S_OK) {
      require(names_in_directory() == files_before_, "leaves files behind: " + last_message());
      expect_message();
      require(!is_sound_ || (merges_ && may_be_refused(result)), "fails: " + last_message());
      return;
    }
    if (is_new_) made_.push_back(name_);
    if (merges_) {
      look_at_merged();
    } else if (is_forged_ && is_sound_) {
      is_sound_ = test::errors_of_check(path_of(name_)) == 0;
    }
  }

  static void expect_message() {
    const std::string message = last_message();
    for (const char* name : {".cim", "region_", "objectid_"}) {
      if (message.find(name) != std::string::npos) return;
    }
    throw std::logic_error("does not name an image: " + message);
  }

  // Whether sound images may fail to be merged with `result`.
  bool may_be_refused(HRESULT result) const {
    if (result == E_INVALIDARG) return has_links_ || tells_case_;
    if (result == HRESULT_FROM_WIN32(ERROR_CIMFS_IMAGE_CORRUPT)) return is_forged_;
    return has_links_ &&
           (result == HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND) || result == E_ACCESSDENIED);
  }

  void look_at_merged() const {
    const std::string path = path_of(name_);
    test::Explorer explorer(path);
    const int errors = explorer.explore();
    require(!is_sound_ || explorer.opened(), "cannot be opened");
    // Otherwise a check mostly looks for tens of thousands of region files.
    if (explorer.opened()) {
      require(test::errors_of_check(path, is_sound_) == 0 || !is_sound_, "is not sound");
    }
    if (!is_sound_) return;
    require(errors == 0, "cannot be read");
    walk(Image(path));
  }

  void walk(const Image& image) const {
    transfer::ImageWalk walk(image, {});
    for (auto step = walk.next(); step != transfer::ImageWalk::Step::end; step = walk.next()) {
      if (is_changed_ || walk.file().is_directory()) continue;
      const format::MarkedFile file = marked_file(image, walk.file());
      require(!format::is_tombstone(file) && !format::merge_link_target(file),
              "has a mark: " + walk.path());
    }
  }

  void create(PCWSTR path, const FileMaking& making) {
    CIMFS_FILE_METADATA metadata = {};
    metadata.Attributes = making.attributes;
    metadata.FileSize = static_cast<INT64>(making.data.size());
    const auto set = [](ByteView bytes, const void*& buffer, UINT32& size) {
      buffer = bytes.empty() ? nullptr : bytes.data();
      size = static_cast<UINT32>(bytes.size());
    };
    set(making.reparse_data, metadata.ReparseDataBuffer, metadata.ReparseDataSize);
    set(making.extended_attributes.list(), metadata.EaBuffer, metadata.EaBufferSize);
    CIMFS_STREAM_HANDLE stream;
    is_changed_ = true;
    if (CimCreateFile(image_, path, &metadata, &stream) == S_OK) write(stream, making.data);
  }

  static void write(CIMFS_STREAM_HANDLE stream, const std::string& data) {
    CimWriteStream(stream, data.data(), static_cast<UINT32>(data.size()));
    CimCloseStream(stream);
  }

  static std::string data(Input& input) {
    const auto kind = input.take<std::uint8_t>();
    if (kind == 255) return test::ForgedExecutable(100).bytes();
    if (kind == 254) return std::string(20000, 'x');
    const ByteView bytes = input.take_bytes(kind);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void create_directory(Input& input) {
    PCWSTR path = choose(input, paths);
    FileMaking directory = {.attributes = FILE_ATTRIBUTE_DIRECTORY};
    if (input.take<std::uint8_t>() % 2 != 0) {
      directory.extended_attributes = format::add_opaque_mark({});
    }
    create(path, directory);
  }

  // Something that may be taken for a mark, or for one that is broken.
  void forge(Input& input) {
    PCWSTR path = choose(input, paths);
    FileMaking mark = {.attributes =
                           input.take<std::uint8_t>() % 4 == 0 ? FILE_ATTRIBUTE_DIRECTORY : 0};
    const std::uint32_t tag = choose(input, tags);
    const ByteView payload = input.take_bytes(input.take<std::uint8_t>());
    if (tag == format::tag_symlink && payload.empty()) {
      mark.reparse_data = format::make_windows_link(tag, u"target");
    } else if (tag != 0) {
      mark.reparse_data = format::make_reparse_buffer(tag, payload);
    }
    for (auto count = input.take<std::uint8_t>() % 4; count > 0; --count) {
      const char* name = choose(input, attribute_names);
      mark.extended_attributes.add(name, input.take_bytes(input.take<std::uint8_t>()));
    }
    is_forged_ = has_links_ = true;
    create(path, mark);
  }

  void create_stream(Input& input) {
    const std::u16string path = choose(input, paths) + std::u16string(u":s");
    const std::string text = data(input);
    CIMFS_STREAM_HANDLE stream;
    is_changed_ = true;
    if (CimCreateAlternateStream(image_, path.c_str(), text.size(), &stream) == S_OK) {
      write(stream, text);
    }
  }

  void edit(Input& input) {
    commit();
    std::vector<std::string> files;
    std::map<std::string, std::uint64_t> upcase_tables;
    for (const std::string& name : names_in_directory()) {
      files.push_back(directory_ / name);
      if (!name.ends_with(".cim")) continue;
      try {
        upcase_tables.insert(upcase_table_of(Image(files.back())));
      } catch (const Error&) {  // of an earlier edit
      }
    }
    if (files.empty()) return;
    is_sound_ = false;
    EditedFiles(files, upcase_tables).edit(input);
  }

  const test::TemporaryDirectory directory_;
  std::vector<PCWSTR> made_;  // the images that exist
  std::size_t begun_ = 0;

  // The image that is being made.
  CIMFS_IMAGE_HANDLE image_ = nullptr;
  PCWSTR name_ = nullptr;
  bool is_new_ = true;       // rather than to replace another
  bool merges_ = false;      // others
  bool is_changed_ = false;  // on top of those
  std::set<std::string> files_before_;

  // What has been done to any image.
  bool is_sound_ = true;
  bool is_forged_ = false;
  bool has_links_ = false;   // to what may be missing
  bool tells_case_ = false;  // some do
};

}  // namespace
}  // namespace cim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cim::fuzz::Input input(data, size);
  cim::fuzz::Session session;
  const auto sample = input.take<std::uint8_t>();
  if (sample < cim::test::breakable_images.size()) {
    session.make_sample(cim::test::breakable_images[sample]);
  }
  while (!input.empty()) session.call(input);
  session.finish();
  return 0;
}
