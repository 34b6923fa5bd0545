#include "generated_image.h"

#include <algorithm>
#include <span>

#include <cim/name.h>
#include <cim/writer.h>
#include <fmt/format.h>

#include "posix/linux_metadata.h"

namespace cim::bench {
namespace {

constexpr std::uint64_t files_per_directory = 100;
constexpr std::uint64_t subdirectories = 100;
constexpr std::int64_t first_time = 1'700'000'000;  // seconds since 1970

posix::LinuxMetadata linux_metadata(mode_t mode, std::uint64_t index) {
  posix::LinuxMetadata metadata;
  metadata.status.st_mode = mode;
  metadata.status.st_mtim.tv_sec = first_time + static_cast<std::int64_t>(index);
  return metadata;
}

class Generator {
 public:
  explicit Generator(Writer& writer) : writer_(writer) { create_directory(u""); }

  void nested(std::uint64_t count) {
    const std::uint64_t directories = (count + files_per_directory - 1) / files_per_directory;
    std::uint64_t width = 1;  // bottom directories below each directory of the top level
    while (width * subdirectories < directories) width *= subdirectories;
    nested_directories(u"", width, 0, count);
  }

  void flat(std::uint64_t count) {
    create_directory(u"flat");
    create_files(u"flat\\", 0, count);
  }

  void deep(std::uint64_t count) {
    std::u16string path;
    for (std::uint64_t depth = 0; depth < count; ++depth) {
      path += u'd';
      create_directory(path);
      path += u'\\';
      create_files(path, depth, depth + 1);
    }
  }

 private:
  // Creates the files from `first` up to but not including `last` in directories below `parent`
  // (with a trailing `\`), each of which holds `width` directories of files.
  void nested_directories(const std::u16string& parent, std::uint64_t width, std::uint64_t first,
                          std::uint64_t last) {
    const std::uint64_t files = width * files_per_directory;
    for (; first < last; first += files) {
      const std::u16string path = parent + linux_to_image_name(fmt::format("d{}", first / files));
      const std::uint64_t end = std::min(first + files, last);
      create_directory(path);
      if (width == 1) {
        create_files(path + u'\\', first, end);
      } else {
        nested_directories(path + u'\\', width / subdirectories, first, end);
      }
    }
  }

  void create_directory(std::u16string_view path) {
    writer_.create_directory(path, posix::EncodedMetadata(linux_metadata(S_IFDIR | 0755, 0)).get());
  }

  void create_files(const std::u16string& parent, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t index = first; index < last; ++index) {
      const std::string data = fmt::format("{:0100}", index);
      const posix::EncodedMetadata metadata(linux_metadata(S_IFREG | 0644, index));
      WriteStream stream =
          writer_.create_file(parent + generated_name(index), metadata.get(), data.size());
      stream.write(std::as_bytes(std::span(data)));
    }
  }

  Writer& writer_;
};

}  // namespace

std::u16string generated_name(std::uint64_t index) {
  return linux_to_image_name(fmt::format("file{}", index));
}

void generate_image(const std::string& path, Shape shape, std::uint64_t count) {
  const std::size_t slash = path.rfind('/');
  Writer::Options options;
  options.directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  options.name = path.substr(slash + 1);  // npos + 1 is 0
  Writer writer(options);
  Generator generator(writer);
  switch (shape) {
    case Shape::nested:
      generator.nested(count);
      break;
    case Shape::flat:
      generator.flat(count);
      break;
    case Shape::deep:
      generator.deep(count);
      break;
  }
  writer.commit();
}

}  // namespace cim::bench
