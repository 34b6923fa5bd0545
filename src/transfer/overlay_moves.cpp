// Directories that an overlay has renamed.
#include "transfer/overlay_moves.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <cim/error.h>
#include <cim/name.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "image/file_descriptor.h"
#include "posix/linux_metadata.h"
#include "transfer/overlay_marks.h"
#include "transfer/overlay_origins.h"
#include "transfer/source_walk.h"

namespace cim::transfer {
namespace {

class MoveFinder {
 public:
  MoveFinder(const std::string& upper, OverlayKind kind, const Image& base)
      : upper_(upper), kind_(kind), base_(base) {}

  std::vector<OverlayMove> find() {
    walk();
    for (const auto& [id, move] : moves_) refuse_second_place(move);
    std::vector<OverlayMove> moves;
    for (auto& [id, move] : moves_) moves.push_back(std::move(move));
    std::ranges::sort(moves, [](const OverlayMove& a, const OverlayMove& b) {
      return std::pair(b.from.size(), a.from) < std::pair(a.from.size(), b.from);
    });
    return moves;
  }

 private:
  void walk() {
    FileDescriptor root(open(upper_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) throw system_error(errno, upper_);
    OverlayOrigins origins(base_);
    origins.move_to(u"");
    origins.enter(origins.counterpart());
    const std::vector<std::string> nothing;
    SourceWalk walk(upper_, std::move(root), nothing);
    while (walk.next()) {
      if (walk.type() != DT_DIR) continue;
      FileDescriptor directory = walk.open();
      try {
        const std::u16string path = linux_to_image_path(walk.relative_path());
        origins.move_to(path);
        origins.enter(origin_of(directory.get(), path, origins));
      } catch (const Error& error) {
        throw error.with_path(walk.path());
      }
      walk.enter(std::move(directory));
    }
  }

  std::optional<Origin> origin_of(int directory, const std::u16string& path,
                                  const OverlayOrigins& origins) {
    const OverlayMarks marks = marks_of(directory, path);
    if (marks.opaque) return std::nullopt;
    std::optional<Origin> origin = origins.origin(marks);
    if (!is_merged(origin)) {
      if (!marks.redirect) return std::nullopt;
      throw Error(Errc::not_a_directory, fmt::format("was {}, which is no directory in {}",
                                                     *marks.redirect, base_.path()));
    }
    if (marks.redirect) add(*origin, path);
    return origin;
  }

  OverlayMarks marks_of(int directory, const std::u16string& path) const {
    posix::LinuxMetadata metadata = posix::read_metadata(directory, on_disk(path));
    return take_marks(metadata, kind_, StatOverride::none);
  }

  void add(const Origin& origin, const std::u16string& path) {
    if (origin.path.empty()) {
      throw Error(Errc::unsupported, "was the root directory, which cannot be moved");
    }
    const auto [move, is_new] =
        moves_.try_emplace(origin.file.id, OverlayMove{origin.file.id, origin.path, path});
    if (!is_new) throw shown_twice(move->second);
  }

  Error shown_twice(const OverlayMove& move) const {
    return Error(Errc::unsupported,
                 fmt::format("the overlay shows the same directory, {} of {}, at another place",
                             image_to_linux_path(move.from), base_.path()))
        .with_path(on_disk(move.to));
  }

  // Throws Error if the overlay shows the directory also where it has been.
  void refuse_second_place(const OverlayMove& move) const {
    std::optional<std::u16string> place = u"";
    File directory = base_.file(base_.root());
    for (std::u16string_view rest = move.from; place && !rest.empty();) {
      const std::u16string_view name = rest.substr(0, rest.find(u'\\'));
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
      directory = base_.file(base_.find(directory, name).value());
      const auto moved = moves_.find(directory.id);
      if (moved != moves_.end() && !rest.empty()) {
        place = moved->second.to;
        continue;
      }
      place = place->empty() ? std::u16string(name) : (*place + u'\\').append(name);
      if (hides(*place)) place.reset();
    }
    if (place) throw shown_twice(move);
  }

  // Whether the upper directory hides what is below at `path`.
  bool hides(const std::u16string& path) const {
    const FileDescriptor file(open(on_disk(path).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file && errno == ENOENT) return false;
    if (!file) throw system_error(errno, on_disk(path));
    struct stat status;
    if (fstat(file.get(), &status) != 0) throw system_error(errno, on_disk(path));
    if (!S_ISDIR(status.st_mode)) return true;
    const OverlayMarks marks = marks_of(file.get(), path);
    return marks.opaque || marks.redirect;
  }

  std::string on_disk(const std::u16string& path) const {
    return upper_ + "/" + image_to_linux_path(path);
  }

  const std::string& upper_;
  const OverlayKind kind_;
  const Image& base_;
  std::map<FileId, OverlayMove> moves_;
};

}  // namespace

std::vector<OverlayMove> find_overlay_moves(const std::string& upper, OverlayKind kind,
                                            const Image& base) {
  return MoveFinder(upper, kind, base).find();
}

}  // namespace cim::transfer
