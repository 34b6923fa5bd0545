// The extension stream: what the format has no place for, and what only a look at all files tells.
#include <algorithm>
#include <array>

#include "image/image_impl.h"

namespace cim {

// Whether entry `index` is the extension stream. Throws Error (corrupt) for a name that no stream
// may have.
bool Image::Impl::is_extension(const File& file, const format::LinkTable& streams,
                               std::uint32_t index) const {
  std::array<char16_t, max_name_units> units;
  const std::u16string_view name(units.data(), streams.name(index, units.data()));
  return file.id == filesystem.root_directory && name == extension_stream;
}

std::optional<Stream> Image::Impl::find_extension() const {
  const format::LinkTable table = stream_table(file(filesystem.root_directory));
  return within(
      [&]() -> std::optional<Stream> {
        const std::optional<std::uint32_t> index = table.find(extension_stream, upcase);
        if (!index) return std::nullopt;
        return decode_stream(table.value<format::Stream>(*index));
      },
      "alternate streams of file {}", filesystem.root_directory);
}

// The header of the extension stream, and the stream; nothing if the image has no valid one.
std::optional<ExtensionHeader> Image::Impl::read_extension(const Image& image,
                                                           Stream& stream) const {
  const std::optional<Stream> found = find_extension();
  if (!found || found->type != StreamType::data) return std::nullopt;
  ExtensionHeader extension = {};
  image.read(*found, 0, std::as_writable_bytes(std::span(&extension, 1)));
  if (extension.file_table_directory != filesystem.file_table_directory) return std::nullopt;
  stream = *found;
  return extension;
}

std::optional<std::vector<LinkCount>> Image::Impl::recorded_link_counts(const Image& image) const {
  Stream stream;
  const std::optional<ExtensionHeader> extension = read_extension(image, stream);
  if (!extension) return std::nullopt;

  const auto throw_malformed = [&] {
    throw Error(Errc::corrupt, "malformed").with_image(path).with_object("recorded link counts");
  };
  // Read piece by piece, so that a false count costs no memory.
  std::vector<LinkCount> counts;
  while (counts.size() < extension->link_counts) {
    std::array<LinkCount, 512> piece;
    const std::size_t wanted =
        std::min<std::size_t>(piece.size(), extension->link_counts - counts.size());
    const std::size_t n =
        image.read(stream, sizeof(ExtensionHeader) + counts.size() * sizeof(LinkCount),
                   std::as_writable_bytes(std::span(piece).first(wanted))) /
        sizeof(LinkCount);
    if (n == 0) throw_malformed();
    for (const LinkCount& count : std::span(piece).first(n)) {
      const FileId last = counts.empty() ? 0 : counts.back().id;
      if (count.id <= last || count.id > file_id_limit) throw_malformed();
      counts.push_back(count);
    }
  }
  return counts;
}

std::optional<AttributeNames> Image::Impl::recorded_attribute_names(const Image& image) const {
  Stream stream;
  const std::optional<ExtensionHeader> extension = read_extension(image, stream);
  if (!extension) return std::nullopt;
  std::vector<std::byte> bytes(AttributeNames::max_size);
  const std::uint64_t start =
      sizeof(ExtensionHeader) + std::uint64_t{extension->link_counts} * sizeof(LinkCount);
  bytes.resize(image.read(stream, start, bytes));
  return AttributeNames::decode(bytes);
}

std::optional<FileId> ImageInternals::first_own_file() const {
  Stream stream;
  const std::optional<ExtensionHeader> extension = image_.impl_->read_extension(image_, stream);
  if (extension) return extension->first_own_file;
  if (image_.impl_->header.sets.size() == 1) return 1;
  return std::nullopt;
}

std::optional<std::vector<LinkCount>> ImageInternals::recorded_link_counts() const {
  return image_.impl_->recorded_link_counts(image_);
}

}  // namespace cim
