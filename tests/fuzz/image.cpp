// An image. The input is a list of edits to the files of a good one, so that the headers survive
// and the fuzzer gets deep. An edit is 16 bytes: which file, how, two spare, u32 where, u64 value.
#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <vector>

#include <cim/image.h>
#include <fcntl.h>
#include <unistd.h>

#include "fuzz/input.h"
#include "image/file_descriptor.h"
#include "posix/attributes.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/image_walk.h"

namespace cim::fuzz {
namespace {

// Where the upcase table of an image made here lies; edits leave it alone, or nearly all would hit
// it.
constexpr std::uint64_t upcase_begin = 64;
constexpr std::uint64_t upcase_size = 128 * 1024;

struct ImageFile {
  std::string content;
  FileDescriptor fd;
};

class GoodImage {
 public:
  GoodImage() {
    write();
    std::vector<std::string> paths;
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      if (!entry.path().filename().string().starts_with("objectid")) {
        paths.push_back(entry.path().string());
      }
    }
    // The same order in each run: by the size of the files, since their names are digests.
    std::ranges::sort(paths, {}, [](const std::string& file_path) {
      return boost::filesystem::file_size(file_path);
    });
    for (const std::string& file_path : paths) {
      std::ifstream file(file_path, std::ios::binary);
      files_.push_back({{std::istreambuf_iterator<char>(file), {}},
                        FileDescriptor(::open(file_path.c_str(), O_RDWR | O_CLOEXEC))});
    }
  }

  std::string path() const { return directory_ / "a.cim"; }

  void edit(Input& input) {
    const ImageFile& file = files_[input.take<std::uint8_t>() % files_.size()];
    const auto how = input.take<std::uint8_t>();
    input.take<std::uint16_t>();
    std::uint64_t offset = input.take<std::uint32_t>();
    auto value = input.take<std::uint64_t>();
    if (file.content.size() > upcase_begin + upcase_size) {
      offset %= file.content.size() - upcase_size;
      if (offset >= upcase_begin) offset += upcase_size;
    } else {
      offset %= file.content.size();
    }
    if (how & 4) offset &= ~std::uint64_t{3};  // most fields are aligned
    const std::size_t width =
        std::min<std::uint64_t>(std::size_t{1} << (how & 3), file.content.size() - offset);
    if (how & 8) value = moved(file, offset, value);
    if (pwrite(file.fd.get(), &value, width, static_cast<off_t>(offset)) < 0) abort();
  }

  void restore() {
    for (const ImageFile& file : files_) {
      if (pwrite(file.fd.get(), file.content.data(), file.content.size(), 0) < 0) abort();
    }
  }

 private:
  // The original value at `offset`, `by` more, so that a field points near to where it did.
  static std::uint64_t moved(const ImageFile& file, std::uint64_t offset, std::uint64_t by) {
    std::uint64_t value = 0;
    file.content.copy(reinterpret_cast<char*>(&value), sizeof(value), offset);
    return value + by;
  }

  void write() {
    const std::array<std::uint8_t, 20> descriptor = {1, 0, 0, 0x80};
    const std::array<std::uint8_t, 13> reparse = {0x1D, 0, 0, 0xA0, 5, 0, 0, 0, 2, 0, 0, 0, 'x'};
    const std::array<std::uint8_t, 12> attributes = {0, 0, 0, 0, 0, 1, 2, 0, 'N', 0, 'v', 'w'};
    Writer writer({.directory = directory_.string(), .existing = {}, .name = "a.cim"});
    writer.create_directory(u"d", {.security_descriptor = std::as_bytes(std::span(descriptor))});
    writer.create_directory(u"d\\e", {});
    test::put(writer, u"d\\e\\file", "content",
              {.extended_attributes = std::as_bytes(std::span(attributes))});
    test::put(writer, u"d\\large", std::string(5000, 'x'));
    writer.create_hard_link(u"link", u"d\\e\\file");
    test::put(writer, u"symlink", "", {.reparse_data = std::as_bytes(std::span(reparse))});
    writer.create_named_stream(u"link", u"stream", 100).write(test::bytes("stream"));
    writer.create_file(u"sparse", {}, 1 << 20).close();
    writer.commit();
  }

  test::TemporaryDirectory directory_;
  std::vector<ImageFile> files_;
};

void attempt(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error&) {
  }
}

// Reads where a stream starts, has its middle, and ends: it may claim to be 2^48 bytes long.
void read(const Image& image, const Stream& stream) {
  std::array<std::byte, 4096> buffer;
  for (const std::uint64_t offset : {std::uint64_t{0}, stream.length / 2, stream.length - 1}) {
    attempt([&] {
      image.read(stream, offset, buffer);
      image.seek(stream, offset, true);
      image.seek(stream, offset, false);
    });
  }
}

void list(const Image& image, const File& directory) {
  const Directory entries = image.entries(directory);
  EntryName name;
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    image.entry(entries, i, name);
    image.find(directory, name.view());
  }
}

void look_at(const Image& image, const File& file) {
  attempt([&] { image.metadata(file); });
  attempt([&] { posix::attributes(image, file, {}); });
  attempt([&] { posix::symlink_target(image, file); });
  attempt([&] {
    for (const std::string& name : posix::list_xattrs(image, file)) {
      posix::get_xattr(image, file, name);
    }
  });
  for (const char* name : {"system.ntfs_attrib", "system.ntfs_acl", "system.ntfs_reparse_data",
                           "system.ntfs_ea", "system.ntfs_times", "user.stream"}) {
    attempt([&] { posix::get_xattr(image, file, name); });
  }
  attempt([&] {
    for (const NamedStream& stream : image.named_streams(file)) read(image, stream.stream);
  });
  if (file.is_directory()) {
    attempt([&] { list(image, file); });
  } else {
    read(image, file.stream);
  }
}

void explore(const std::string& path) {
  attempt([&] {
    const Image image(path);
    attempt([&] { image.files_of_last_fork(); });
    attempt([&] { image.link_counts(); });
    attempt([&] {
      transfer::ImageWalk walk(image, {});
      while (walk.next() != transfer::ImageWalk::Step::end) {
      }
    });
    for (FileId id = 1; id <= std::min<FileId>(image.file_id_limit(), 32); ++id) {
      attempt([&] { look_at(image, image.file(id)); });
    }
  });
}

}  // namespace
}  // namespace cim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static cim::fuzz::GoodImage image;
  cim::fuzz::Input input(data, size);
  while (!input.empty()) image.edit(input);
  cim::fuzz::explore(image.path());
  image.restore();
  return 0;
}
