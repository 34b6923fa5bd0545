// Entries -> an image.
#include "transfer/entry_sink.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>

#include "format/upcase.h"
#include "transfer/inexact_times.h"

namespace cim::transfer {
namespace {

// Finds paths that a case-insensitive image takes for one.
class CaseCheck {
 public:
  explicit CaseCheck(std::span<const char16_t> upcase) : upcase_(upcase) {}

  // Throws Error (already_exists) if `path`, or a directory on the way to it, is an earlier path
  // that was spelled differently.
  void add(const std::u16string& path) {
    // The directories above a known path are known, too.
    std::vector<std::u16string> unknown;
    for (std::size_t end = path.size(); end != std::u16string::npos && end != 0;
         end = path.rfind(u'\\', end - 1)) {
      std::u16string prefix = path.substr(0, end);
      const auto known = spellings_.find(fold(prefix));
      if (known != spellings_.end() && known->second == prefix) break;
      unknown.push_back(std::move(prefix));
    }
    for (auto prefix = unknown.rbegin(); prefix != unknown.rend(); ++prefix) {
      const auto [known, is_new] = spellings_.try_emplace(fold(*prefix), *prefix);
      if (is_new) continue;
      throw Error(Errc::already_exists,
                  fmt::format("'{}' and '{}' are one name in a case-insensitive image",
                              image_to_linux_path(known->second), image_to_linux_path(*prefix)));
    }
  }

 private:
  std::u16string fold(std::u16string path) const {
    for (char16_t& unit : path) unit = upcase_[unit];
    return path;
  }

  std::span<const char16_t> upcase_;
  std::unordered_map<std::u16string, std::u16string> spellings_;  // upper case -> as in the source
};

// The table by which names are equal in the image; empty if case matters.
std::span<const char16_t> upcase_of(const ImportOptions& options) {
  if (options.base == nullptr) {
    return options.case_insensitive ? std::span<const char16_t>(format::windows_upcase_table())
                                    : std::span<const char16_t>();
  }
  return options.base->case_sensitive() ? std::span<const char16_t>()
                                        : options.base->upcase_table();
}

// What makes `entry` a whiteout for those who know them; empty if nothing does.
std::string whiteout_sign(const Entry& entry) {
  const std::u16string_view path = entry.path;
  if (path.substr(path.rfind(u'\\') + 1).starts_with(u".wh.")) return "its name";  // npos + 1 is 0
  const auto* const metadata = std::get_if<posix::LinuxMetadata>(&entry.metadata);
  if (metadata == nullptr) return {};
  if (S_ISCHR(metadata->status.st_mode) && metadata->status.st_rdev == 0) return "its device, 0:0";
  for (const auto& [name, value] : metadata->xattrs) {
    if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) {
      return "the attribute " + name;
    }
  }
  return {};
}

class EntrySink {
 public:
  EntrySink(EntrySource& source, Writer& writer, const ImportOptions& options, Progress& progress)
      : source_(source),
        writer_(writer),
        options_(options),
        lacks_parents_(source.missing_parent().has_value()),
        has_root_(options.base != nullptr),
        progress_(progress) {
    const auto upcase = upcase_of(options);
    if (!upcase.empty()) case_check_.emplace(upcase);
  }

  void run() {
    while (const Entry* entry = source_.next()) {
      add(*entry);
      progress_.advance({.files = 1});
    }
    create_missing_root();
    inexact_times_.report(progress_);
  }

 private:
  void add(const Entry& entry) {
    switch (entry.kind) {
      case Entry::Kind::file:
        return add_file(entry);
      case Entry::Kind::directory:
        return add_directory(entry);
      case Entry::Kind::hard_link:
        return add_hard_link(entry);
      case Entry::Kind::named_stream:
        return add_named_stream(entry);
      case Entry::Kind::whiteout:
        return writer_.remove_inherited(entry.path);
      case Entry::Kind::opaque:
        return writer_.remove_inherited_contents(entry.path);
      case Entry::Kind::removal:
        return remove(entry);
      case Entry::Kind::stream_removal:
        return writer_.remove_named_stream(entry.path, entry.target);
      case Entry::Kind::move:
        return writer_.rename(entry.target, entry.path);
      case Entry::Kind::copy:
        return add_copy(entry);
      case Entry::Kind::rewritten:
        return rewrite(entry);
      case Entry::Kind::metadata:
        return writer_.set_metadata(entry.path, encode(entry));
    }
  }

  void add_file(const Entry& entry) {
    if (entry.path.empty()) throw failure(Errc::invalid_argument, "the root must be a directory");
    prepare(entry);
    WriteStream stream = writer_.create_file(entry.path, encode(entry), entry.size);
    source_.copy_data(stream);
    stream.close();
  }

  void add_copy(const Entry& entry) {
    prepare(entry);
    writer_.create_copy(entry.path, encode(entry), entry.source);
    progress_.advance({.bytes = entry.size});
  }

  void rewrite(const Entry& entry) {
    WriteStream stream = writer_.rewrite_file(entry.path, encode(entry), entry.size);
    source_.copy_data(stream);
    stream.close();
  }

  void remove(const Entry& entry) {
    if (writer_.find(entry.path) != Writer::Kind::none) writer_.remove(entry.path);
  }

  void add_directory(const Entry& entry) {
    prepare(entry);
    writer_.create_directory(entry.path, encode(entry));
    has_root_ |= entry.path.empty();
  }

  void add_hard_link(const Entry& entry) {
    check_target(entry);
    // GNU tar writes such a member if it is told to archive a file twice.
    if (entry.target != entry.path) {
      prepare(entry);
      if (writer_.find(entry.path) == Writer::Kind::directory) {
        writer_.remove(entry.path);
        check_target(entry);  // it may have been in there
      }
      writer_.create_hard_link(entry.path, entry.target);
    }
    progress_.advance({.bytes = entry.size});
  }

  void check_target(const Entry& entry) const {
    const Writer::Kind kind = writer_.find(entry.target);
    if (kind == Writer::Kind::file) return;
    const bool is_there = kind != Writer::Kind::none;
    throw failure(is_there ? Errc::is_a_directory : Errc::path_not_found,
                  "is a hard link to " + image_to_linux_path(entry.target) +
                      (is_there ? ", which is a directory" : ", which is not there"));
  }

  void add_named_stream(const Entry& entry) {
    WriteStream stream = writer_.create_named_stream(entry.path, entry.target, entry.size);
    source_.copy_data(stream);
    stream.close();
  }

  // Makes sure that `entry` can be at its path.
  void prepare(const Entry& entry) {
    check_case(entry);
    check_whiteout(entry);
    create_missing_parents(entry);
  }

  void check_case(const Entry& entry) {
    if (!case_check_) return;
    try {
      case_check_->add(entry.path);
    } catch (const Error& error) {
      throw error.with_path(source_.name());
    }
  }

  void check_whiteout(const Entry& entry) const {
    if (options_.literal_whiteouts) return;
    const std::string sign = whiteout_sign(entry);
    if (sign.empty()) return;
    throw failure(Errc::unsupported,
                  "changes a lower layer, as " + sign +
                      " says; 'cim import-layer' applies that, --literal-whiteouts stores it");
  }

  void create_missing_parents(const Entry& entry) {
    if (!entry.path.empty()) create_missing_root();
    if (!lacks_parents_) return;
    for (std::size_t end = entry.path.find(u'\\'); end != std::u16string::npos;
         end = entry.path.find(u'\\', end + 1)) {
      const std::u16string parent = entry.path.substr(0, end);
      const Writer::Kind kind = writer_.find(parent);
      if (kind == Writer::Kind::none) create_missing_directory(parent);
      if (kind != Writer::Kind::file) continue;
      throw failure(Errc::not_a_directory, image_to_linux_path(parent) + " is not a directory");
    }
  }

  void create_missing_root() {
    if (!std::exchange(has_root_, true)) create_missing_directory(u"");
  }

  // Does nothing if the source has all directories.
  void create_missing_directory(const std::u16string& path) {
    std::optional<EntryMetadata> metadata = source_.missing_parent();
    if (!metadata) return;
    if (auto* const linux_metadata = std::get_if<posix::LinuxMetadata>(&*metadata)) {
      apply(options_.overrides, *linux_metadata);
      writer_.create_directory(path, encode(*linux_metadata));
    } else {
      writer_.create_directory(path, std::get<WindowsMetadata>(*metadata).view());
    }
  }

  // The metadata of the entry; valid until the next call.
  Metadata encode(const Entry& entry) {
    if (const auto* const windows = std::get_if<WindowsMetadata>(&entry.metadata)) {
      return windows->view();
    }
    auto metadata = std::get<posix::LinuxMetadata>(entry.metadata);
    apply(options_.overrides, metadata);
    inexact_times_.add(metadata.status.st_mtim, source_, progress_);
    return encode(metadata);
  }

  Metadata encode(const posix::LinuxMetadata& metadata) {
    try {
      return encoded_.emplace(metadata).get();
    } catch (const Error& error) {
      throw error.with_path(source_.name());
    }
  }

  Error failure(Errc code, const std::string& reason) const {
    return Error(code, reason).with_path(source_.name());
  }

  EntrySource& source_;
  Writer& writer_;
  const ImportOptions& options_;
  const bool lacks_parents_;  // the source may have files without the directories above them
  bool has_root_;
  Progress& progress_;
  InexactTimes inexact_times_;
  std::optional<CaseCheck> case_check_;
  std::optional<posix::EncodedMetadata> encoded_;
};

}  // namespace

void store_entries(EntrySource& source, Writer& writer, const ImportOptions& options,
                   Progress& progress) {
  EntrySink(source, writer, options, progress).run();
}

}  // namespace cim::transfer
