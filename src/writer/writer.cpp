// The Writer: checks its arguments, and puts the parts of src/writer together.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cim/writer.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/merge_marks.h"
#include "format/reparse.h"
#include "format/security_descriptor.h"
#include "image/file_io.h"
#include "image/internals.h"
#include "image/region.h"
#include "writer/data_queue.h"
#include "writer/directory.h"
#include "writer/executable_expander.h"
#include "writer/garbage.h"
#include "writer/image_directory.h"
#include "writer/image_layer.h"
#include "writer/merged_regions.h"
#include "writer/metadata_store.h"
#include "writer/metadata_writer.h"
#include "writer/object_index.h"
#include "writer/path.h"
#include "writer/region_set_writer.h"
#include "writer/tree.h"

namespace cim {

namespace {

constexpr std::size_t max_object_length = 65535;  // of a descriptor, an EA list, reparse data

void check_image_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    throw Error(Errc::invalid_argument, "'" + name + "' cannot name an image");
  }
}

void check_object(ByteView object, const char* what) {
  if (object.size() > max_object_length) {
    throw Error(Errc::invalid_argument, fmt::format("{} of {} bytes; the limit is {}", what,
                                                    object.size(), max_object_length));
  }
}

void check_metadata(const Metadata& metadata) {
  check_object(metadata.security_descriptor, "a security descriptor");
  check_object(metadata.reparse_data, "reparse data");
  check_object(metadata.extended_attributes, "extended attributes");
  if (!metadata.security_descriptor.empty() &&
      !format::is_valid_security_descriptor(metadata.security_descriptor)) {
    throw Error(Errc::invalid_argument, "malformed security descriptor");
  }
  try {
    format::EaReader attributes(metadata.extended_attributes);
    while (attributes.next()) {
    }
    if (!metadata.reparse_data.empty()) {
      const auto tag = format::load<std::uint32_t>(metadata.reparse_data, 0, "tag");
      format::reparse_payload(metadata.reparse_data, tag);
    }
  } catch (const Error& error) {
    throw Error(Errc::invalid_argument, error.reason()).with_object("metadata");
  }
}

Error past_end(std::uint64_t length, std::uint64_t offset, std::uint64_t size) {
  return Error(Errc::end_of_file,
               fmt::format("a write of {} bytes at {} reaches past the stream's {} bytes", length,
                           offset, size));
}

}  // namespace

struct Writer::Impl {
  // `lock` is that of the directory. If there are `merged` images, the names of their filesystem
  // files, the topmost first, the image begins with what they hold.
  Impl(const Options& options, FileDescriptor lock, std::span<const std::string> merged = {});

  // The open stream, and where it belongs.
  struct OpenStream {
    std::uint64_t size;
    Node* node;
    std::u16string name = {};  // of an alternate stream
    std::uint64_t position = 0;
  };

  Error error(Errc code, std::string reason) const;
  Error error(Errc code, std::u16string_view path, std::string reason) const;
  void check_usable() const;
  std::vector<std::u16string_view> checked_path(std::u16string_view path) const;
  Node& parent_of(std::u16string_view path, const std::vector<std::u16string_view>& names);
  Node& existing(std::u16string_view path, const std::vector<std::u16string_view>& names);
  Node& create_file(std::u16string_view path, const Metadata& metadata, const Stream& content);
  void check_size(std::u16string_view path, std::uint64_t size) const;
  void rename(std::u16string_view from, std::u16string_view to);
  bool leads_through(const std::vector<std::u16string_view>& names, const Node& node);
  void remove_existing(Node& directory, std::u16string_view name);
  void replace(Node& directory, std::u16string_view name, Node& node);

  format::RegionOffset store_counted(ByteView object);
  void set_metadata(Node& node, const Metadata& metadata, const Node* replaced);
  format::RegionOffset descriptor(const Metadata& metadata, const Node* replaced);

  bool hides_below(const Node& node) const;
  void set_directory_metadata(Node& node, const Metadata& metadata, const Node* replaced);
  void create_mark(std::u16string_view path, const format::MarkMetadata& mark);

  void open_stream(OpenStream&& opening);
  template <typename Put>
  std::uint64_t fill(std::uint64_t offset, std::uint64_t length, Put&& put);
  void write(std::uint64_t offset, ByteView data);
  std::uint64_t copy_from(int fd, std::uint64_t offset, std::uint64_t length,
                          const std::string& path);
  void close_stream();

  void merge(std::span<const std::string> upper);
  void lay_over(const std::string& upper);

  using BeforeVisible = std::function<void(ByteView filesystem_file)>;
  void commit(const BeforeVisible& before_visible);
  format::RegionSet write_and_publish(const BeforeVisible& before_visible);
  FileDescriptor lock_target() const;
  std::vector<std::byte> make_filesystem_file(format::RegionOffset filesystem,
                                              const format::RegionSet& set) const;

  // Remembers that `work` has failed. After that the image can no longer be trusted and nothing
  // more is done for it.
  template <typename Work>
  auto guarded(Work&& work) {
    if (failure) throw Error(*failure);
    try {
      return work();
    } catch (const Error& error) {
      if (!failure) failure = error;
      throw;
    } catch (...) {
      if (!failure) failure = shortage;
      throw;
    }
  }

  Options options;
  std::string directory;
  FileDescriptor directory_fd;
  std::string name;
  std::string image_path;
  bool is_fork;  // of the base, which is kept, or merged with it
  bool complete_descriptors;
  bool replaces = false;  // the target exists and may be replaced
  std::optional<Image> base;
  MergedRegions parents;  // of the base and the images that are laid over it
  RegionSetWriter regions;
  ObjectIndex objects;
  MetadataStore metadata_objects;
  DataStore data;
  DataQueue queue;
  ExecutableExpander expander;
  bool expand_executables;
  Tree tree;
  std::optional<AttributeNames> attribute_names;  // nothing if the base's are not known

  // The directory that was last created, or last had an entry created: files come by directory.
  std::u16string cached_parent_path;
  Node* cached_parent = nullptr;

  std::optional<OpenStream> stream;
  // Stands for any exception that is not an Error. Made in advance, while there is memory.
  const Error shortage =
      Error(Errc::out_of_memory, "not enough memory, or no thread could be started");
  std::optional<Error> failure;
  bool committed = false;
};

namespace {

// The name of the image in `directory` that `name` leads to, which may be a symbolic link. Throws
// Error with `reason` if it is in another directory.
std::string linked_name(const std::string& directory, const std::string& name,
                        const std::string& reason) {
  check_image_name(name);
  const std::string link = path_in(directory, name);
  const std::string image = follow_link(link);
  if (image == link) return name;
  boost::system::error_code error;
  if (boost::filesystem::equivalent(directory, directory_of(image), error)) {
    return image.substr(image.rfind('/') + 1);
  }
  throw Error(Errc::invalid_argument, "leads to another directory; " + reason).with_image(link);
}

// If `existing` is a symbolic link, the options for the image that it leads to.
Writer::Options follow_links(Writer::Options options) {
  if (!options.existing) return options;
  const bool is_fork = options.name && options.name != options.existing;
  if (is_fork) {
    options.existing =
        linked_name(options.directory, *options.existing, "a fork shares files with its base");
    return options;
  }
  check_image_name(*options.existing);
  const std::string link = path_in(options.directory, *options.existing);
  const std::string image = follow_link(link);
  if (image == link) return options;
  options.existing = image.substr(image.rfind('/') + 1);
  options.directory = directory_of(image);
  options.name = options.existing;
  return options;
}

// The existing image, or else the lowest of those to merge.
std::optional<Image> open_base(const Writer::Options& options,
                               std::span<const std::string> merged) {
  if (options.existing) return Image(path_in(options.directory, *options.existing));
  if (!merged.empty()) return Image(path_in(options.directory, merged.back()));
  return std::nullopt;
}

std::vector<format::RegionSet> region_sets_of(int directory_fd, const std::string& directory,
                                              const std::string& name) {
  const std::string path = path_in(directory, name);
  return read_filesystem_file(open_regular_file(directory_fd, name, path).get(), path).sets;
}

MergedRegions collect_regions(const std::optional<Image>& base, int directory_fd,
                              const std::string& directory, std::span<const std::string> merged) {
  MergedRegions regions(base ? ImageInternals(*base).region_sets()
                             : std::vector<format::RegionSet>());
  for (const std::string& name : merged) {
    regions.add(region_sets_of(directory_fd, directory, name));
  }
  return regions;
}

const std::string& target_name(const Writer::Options& options) {
  if (options.name) return *options.name;
  if (options.existing) return *options.existing;
  throw Error(Errc::invalid_argument, "neither an existing nor a new image is named");
}

const Image* pointer(const std::optional<Image>& image) { return image ? &*image : nullptr; }

std::span<const char16_t> choose_upcase_table(const std::optional<Image>& base,
                                              bool case_insensitive) {
  if (base) return base->upcase_table();
  return case_insensitive ? format::windows_upcase_table() : format::identity_upcase_table();
}

}  // namespace

Writer::Impl::Impl(const Options& writer_options, FileDescriptor lock,
                   std::span<const std::string> merged)
    : options(writer_options),
      directory(options.directory),
      directory_fd(std::move(lock)),
      name(target_name(options)),
      image_path(path_in(directory, name)),
      is_fork(!merged.empty() || (options.existing && name != *options.existing)),
      complete_descriptors(options.complete_descriptors),
      base(open_base(options, merged)),
      parents(collect_regions(base, directory_fd.get(), directory, merged)),
      regions(directory_fd.get(), directory, parents.region_count()),
      objects(pointer(base), directory_fd.get(), directory),
      metadata_objects(regions, objects, pointer(base)),
      data(regions, objects, pointer(base)),
      queue(data),
      expander(queue),
      expand_executables(options.expand_executables),
      tree(pointer(base), choose_upcase_table(base, options.case_insensitive)),
      attribute_names(base ? ImageInternals(*base).attribute_names() : AttributeNames()) {
  check_image_name(name);
  replaces = faccessat(directory_fd.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  if (replaces && !options.replace && name != options.existing) {
    throw error(Errc::file_exists, "exists already");
  }
  lock_target();  // commit() does, too, but only when all work is done
  if (!base && complete_descriptors) {
    tree.root().record.security_descriptor = descriptor({}, nullptr);
  }
  if (!merged.empty()) merge(merged.first(merged.size() - 1));
}

// From the bottom to the top, as if each layer was applied to what is there.
void Writer::Impl::merge(std::span<const std::string> upper) {
  apply_marks_of_base(tree);
  for (auto image = upper.rbegin(); image != upper.rend(); ++image) lay_over(*image);
}

void Writer::Impl::lay_over(const std::string& upper) {
  const Image image(path_in(directory, upper));
  if (!std::ranges::equal(image.upcase_table(), tree.order().upcase)) {
    throw Error(Errc::invalid_argument,
                "has other rules than " + base->path() + " for names that differ only by case")
        .with_image(image.path());
  }
  const RegionTranslation translation = parents.add(ImageInternals(image).region_sets());
  if (parents.region_count() != regions.base_regions()) {
    throw Error(Errc::io_error, "was replaced meanwhile").with_image(image.path());
  }
  ImageLayer(image, translation, tree, metadata_objects).lay();
  const auto names = ImageInternals(image).attribute_names();
  if (names && attribute_names) {
    attribute_names->add(*names);
  } else {
    attribute_names.reset();
  }
}

Error Writer::Impl::error(Errc code, std::string reason) const {
  return Error(code, std::move(reason)).with_image(image_path);
}

// `path` is a path in the image.
Error Writer::Impl::error(Errc code, std::u16string_view path, std::string reason) const {
  return error(code, std::move(reason)).with_path(image_to_linux_path(path));
}

void Writer::Impl::check_usable() const {
  if (committed) throw error(Errc::invalid_argument, "is committed already");
  if (stream) throw error(Errc::sharing_violation, "a stream is still open");
  if (failure) throw Error(*failure);
}

std::vector<std::u16string_view> Writer::Impl::checked_path(std::u16string_view path) const {
  check_usable();
  return split_path(path);
}

Node& Writer::Impl::parent_of(std::u16string_view path,
                              const std::vector<std::u16string_view>& names) {
  if (names.empty()) {
    throw Error(Errc::invalid_argument, "the root directory cannot be replaced or removed");
  }
  const std::u16string_view parent_path =
      path.substr(0, path.size() - names.back().size() - (names.size() > 1 ? 1 : 0));
  if (cached_parent != nullptr && cached_parent_path == parent_path) return *cached_parent;
  Node* parent = tree.find(std::span(names).first(names.size() - 1));
  if (parent == nullptr || !parent->is_directory()) {
    throw error(Errc::path_not_found, path, "its parent directory does not exist");
  }
  cached_parent_path = parent_path;
  cached_parent = parent;
  return *parent;
}

Node& Writer::Impl::existing(std::u16string_view path,
                             const std::vector<std::u16string_view>& names) {
  Node* node = tree.find(names);
  if (node == nullptr) {
    throw error(Errc::path_not_found, path, "no such file or directory");
  }
  return *node;
}

// Makes a file whose data is `content`.
Node& Writer::Impl::create_file(std::u16string_view path, const Metadata& metadata,
                                const Stream& content) {
  const auto names = checked_path(path);
  Node& parent = parent_of(path, names);
  check_metadata(metadata);
  Node& node = tree.create(false);
  node.record.default_stream = encode_stream(content);
  set_metadata(node, metadata, tree.child(parent, names.back()));
  replace(parent, names.back(), node);
  return node;
}

void Writer::Impl::check_size(std::u16string_view path, std::uint64_t size) const {
  if (size > format::max_stream_length) {
    throw error(Errc::invalid_argument, path, "is too large");
  }
}

void Writer::Impl::rename(std::u16string_view from, std::u16string_view to) {
  const auto from_names = checked_path(from);
  const auto to_names = checked_path(to);
  Node& parent = parent_of(from, from_names);
  Node& node = existing(from, from_names);
  Node& new_parent = parent_of(to, to_names);
  if (node.is_directory() && leads_through(to_names, node)) {
    throw error(Errc::invalid_argument, to, "a directory cannot be moved into itself");
  }
  const std::u16string_view old_name = from_names.back();
  const std::u16string_view new_name = to_names.back();
  const bool is_respelled = &parent == &new_parent && old_name != new_name &&
                            format::compare_names(old_name, new_name, tree.order().upcase) == 0;
  guarded([&] {
    if (tree.child(new_parent, new_name) == &node && !is_respelled) return;
    cached_parent = nullptr;
    tree.move(parent, old_name, new_parent, new_name);
  });
}

// Whether `node` is on the way to the last of `names`.
bool Writer::Impl::leads_through(const std::vector<std::u16string_view>& names, const Node& node) {
  Node* above = &tree.root();
  for (const std::u16string_view step : std::span(names).first(names.size() - 1)) {
    above = tree.child(*above, step);
    if (above == &node) return true;
  }
  return false;
}

// A broken base image may fail halfway, so a failure is remembered.
void Writer::Impl::remove_existing(Node& parent, std::u16string_view entry) {
  guarded([&] {
    const Node* node = tree.child(parent, entry);
    if (node == nullptr) return;
    if (node->is_directory()) cached_parent = nullptr;
    tree.detach(parent, entry);
  });
}

void Writer::Impl::replace(Node& parent, std::u16string_view entry, Node& node) {
  remove_existing(parent, entry);
  tree.attach(parent, entry, node);
}

// A counted object starts with its length.
format::RegionOffset Writer::Impl::store_counted(ByteView object) {
  if (object.empty()) return 0;
  std::vector<std::byte> bytes;
  format::append(bytes, format::bytes_of(static_cast<std::uint16_t>(object.size())));
  format::append(bytes, object);
  return metadata_objects.intern(bytes);
}

// The descriptor in `metadata`, or the default for a file without one. `replaced` may be null.
format::RegionOffset Writer::Impl::descriptor(const Metadata& metadata, const Node* replaced) {
  if (!metadata.security_descriptor.empty() || !complete_descriptors) {
    return store_counted(metadata.security_descriptor);
  }
  if (replaced != nullptr && replaced->record.security_descriptor != 0) {
    return replaced->record.security_descriptor;
  }
  return store_counted(std::as_bytes(std::span(format::open_security_descriptor)));
}

// `replaced`, which may be `node` itself, is the file at its path until now; null if there is none.
void Writer::Impl::set_metadata(Node& node, const Metadata& metadata, const Node* replaced) {
  File file = guarded([&]() -> File {
    return {
        .attributes = metadata.attributes,
        .reparse_tag = 0,
        .creation_time = metadata.creation_time,
        .last_write_time = metadata.last_write_time,
        .change_time = metadata.change_time,
        .last_access_time = metadata.last_access_time,
        .stream = decode_stream(node.record.default_stream),
        .security_descriptor_offset = descriptor(metadata, replaced),
        .extended_attributes_offset = metadata_objects.intern(metadata.extended_attributes),
        .reparse_data_offset = store_counted(metadata.reparse_data),
        .stream_table_offset = node.record.stream_table,
        .name_table_offset = node.record.name_table,
        .extended_attributes_length =
            static_cast<std::uint16_t>(metadata.extended_attributes.size()),
        .parent = node.record.parent,
    };
  });
  if (!metadata.reparse_data.empty()) {
    file.reparse_tag = format::load<std::uint32_t>(metadata.reparse_data, 0, "tag");
  }
  node.record = encode_file(file);
  node.changed = true;
  if (attribute_names) attribute_names->add(metadata.extended_attributes);
}

// A file without data.
void Writer::Impl::create_mark(std::u16string_view path, const format::MarkMetadata& mark) {
  Node& node = create_file(
      path,
      {.reparse_data = mark.reparse_data, .extended_attributes = mark.extended_attributes.list()},
      {});
  node.hides_below = node.record.reparse_tag == format::tag_lx_chr;
}

// Whether `node` is a tombstone, or a directory that was created in the place of one.
bool Writer::Impl::hides_below(const Node& node) const {
  if (!node.in_base || node.is_directory()) return node.hides_below;
  return format::is_tombstone(marked_file(*base, base->file(node.id)));
}

// `replaced` is as for set_metadata().
void Writer::Impl::set_directory_metadata(Node& node, const Metadata& metadata,
                                          const Node* replaced) {
  node.hides_below = replaced != nullptr && hides_below(*replaced);
  if (!node.hides_below) return set_metadata(node, metadata, replaced);
  const format::EaBuilder attributes = format::add_opaque_mark(metadata.extended_attributes);
  Metadata marked = metadata;
  marked.extended_attributes = attributes.list();
  set_metadata(node, marked, replaced);
}

void Writer::Impl::open_stream(OpenStream&& opening) {
  guarded([&] {
    metadata_objects.region();  // the first one: the queue's thread makes the others
    expander.begin(opening.size, expand_executables && opening.name.empty());
  });
  stream = std::move(opening);
}

// Calls put(span, position) to put data into the stream from `offset` on until `length` bytes are
// there, or it puts fewer than it is given room for. It returns how many. So does this, in all.
template <typename Put>
std::uint64_t Writer::Impl::fill(std::uint64_t offset, std::uint64_t length, Put&& put) {
  for (std::uint64_t done = 0; done < length;) {
    const std::uint64_t position = offset + done;
    const std::span room = guarded([&] { return expander.begin_write(position, length - done); });
    const std::size_t count = put(room, position);
    guarded([&] { expander.end_write(position, count); });
    done += count;
    if (count < room.size()) return done;
  }
  return length;
}

void Writer::Impl::write(std::uint64_t offset, ByteView bytes) {
  const std::uint64_t size = stream->size;
  const std::uint64_t room = offset < size ? size - offset : 0;
  const ByteView fitting = bytes.first(std::min<std::uint64_t>(bytes.size(), room));
  fill(offset, fitting.size(), [&](std::span<std::byte> target, std::uint64_t position) {
    std::ranges::copy(fitting.subspan(position - offset, target.size()), target.begin());
    return target.size();
  });
  stream->position = offset + fitting.size();
  if (fitting.size() < bytes.size()) throw past_end(bytes.size(), offset, size);
}

std::uint64_t Writer::Impl::copy_from(int fd, std::uint64_t offset, std::uint64_t length,
                                      const std::string& path) {
  const std::uint64_t size = stream->size;
  if (offset > size || length > size - offset) throw past_end(length, offset, size);
  const std::uint64_t copied =
      fill(offset, length, [&](std::span<std::byte> target, std::uint64_t position) {
        return read_at(fd, target.data(), target.size(), position, path);
      });
  stream->position = offset + copied;
  return copied;
}

void Writer::Impl::close_stream() {
  OpenStream closing = std::move(*stream);
  stream.reset();
  if (closing.name.empty()) {
    return guarded([&] { expander.end(closing.node->record.default_stream); });
  }
  guarded([&] {
    format::Stream record;
    expander.end(record);
    queue.wait();
    tree.named_streams(*closing.node).insert_or_assign(closing.name, record);
  });
}

// The existing image that is to be replaced, locked against mounting. A daemon holds a shared lock
// on the filesystem file of the image it has mounted.
FileDescriptor Writer::Impl::lock_target() const {
  return replaces ? lock_image(directory_fd.get(), name, image_path) : FileDescriptor();
}

std::vector<std::byte> Writer::Impl::make_filesystem_file(format::RegionOffset filesystem,
                                                          const format::RegionSet& set) const {
  const std::vector<format::RegionSet>& sets = parents.sets();
  if (sets.size() > UINT16_MAX) {
    throw error(Errc::limit_exceeded, "builds on more than 65,535 region sets");
  }
  format::FilesystemHeader header = {};
  std::memcpy(header.common.magic, format::magic, sizeof(format::magic));
  const std::span parent_bytes = std::as_bytes(std::span(sets));
  header.common.header_length = static_cast<std::uint32_t>(sizeof(header) + parent_bytes.size());
  header.common.type = format::FileType::image;
  header.common.version_major = format::version_major;
  header.common.version_minor = format::version_minor;
  header.regions = set;
  header.filesystem = filesystem;
  header.parent_count = static_cast<std::uint16_t>(sets.size());
  const ByteView header_bytes = format::bytes_of(header);
  std::vector<std::byte> contents(header_bytes.begin(), header_bytes.end());
  contents.insert(contents.end(), parent_bytes.begin(), parent_bytes.end());
  return contents;
}

void Writer::Impl::commit(const BeforeVisible& before_visible) {
  const FileDescriptor target = lock_target();
  std::vector<format::RegionSet> replaced;
  if (target && (!base || is_fork)) replaced = region_sets_if_image(target.get());
  const format::RegionSet own = guarded([&] { return write_and_publish(before_visible); });
  std::erase_if(replaced, [&](const format::RegionSet& set) {
    return std::memcmp(&set.id, &own.id, sizeof(own.id)) == 0;  // an equal image
  });
  remove_unused_region_sets(directory_fd.get(), directory, replaced);
}

format::RegionSet Writer::Impl::write_and_publish(const BeforeVisible& before_visible) {
  metadata_objects.region();  // comes first in the set
  MetadataWriter metadata(tree, metadata_objects, regions, objects, attribute_names, is_fork);
  metadata.write_directories(base ? ImageInternals(*base).upcase_table() : 0);
  queue.wait();
  expander.write_objects(metadata_objects);
  const format::RegionOffset filesystem = metadata.write_files();
  regions.finish(metadata_objects.take_object_ids(), objects);
  const format::RegionSet set = regions.publish();
  try {
    const std::vector<std::byte> contents = make_filesystem_file(filesystem, set);
    PendingFile file(directory_fd.get(), directory);
    file.write_at(0, contents.data(), contents.size());
    file.sync();
    sync_directory(directory_fd.get(), directory);
    if (before_visible) before_visible(contents);
    if (replaces) {
      file.replace(name);
    } else if (!file.publish(name)) {
      throw error(Errc::file_exists, "exists already");
    }
  } catch (...) {
    regions.withdraw();
    throw;
  }
  committed = true;
  sync_directory(directory_fd.get(), directory);
  return set;
}

Writer::Writer(const Options& options) {
  const Options followed = follow_links(options);
  impl_ = std::make_unique<Impl>(followed, lock_directory(followed.directory));
}

Writer::~Writer() = default;

void Writer::merge(std::span<const std::string> images) {
  impl_->check_usable();
  if (!impl_->tree.is_untouched()) {
    throw impl_->error(Errc::invalid_argument, "is not empty, so it cannot be merged of others");
  }
  if (images.empty()) throw impl_->error(Errc::invalid_argument, "no images to merge are named");
  std::vector<std::string> names;
  for (const std::string& name : images) {
    names.push_back(linked_name(impl_->directory, name,
                                "a merged image shares files with those that it is made of"));
  }
  FileDescriptor lock = impl_->directory_fd.duplicate();
  impl_ = std::make_unique<Impl>(impl_->options, std::move(lock), names);
}

WriteStream Writer::create_file(std::u16string_view path, const Metadata& metadata,
                                std::uint64_t size) {
  impl_->check_size(path, size);
  Node& node = impl_->create_file(path, metadata, {});
  impl_->open_stream({.size = size, .node = &node});
  return WriteStream(this);
}

void Writer::create_copy(std::u16string_view path, const Metadata& metadata, FileId source) {
  impl_->check_usable();
  if (!impl_->base) throw Error(Errc::invalid_argument, "there is no image to copy from");
  const File file = impl_->base->file(source);
  if (file.is_directory()) throw Error(Errc::invalid_argument, "a directory cannot be copied");
  impl_->create_file(path, metadata, file.stream);
}

WriteStream Writer::rewrite_file(std::u16string_view path, const Metadata& metadata,
                                 std::uint64_t size) {
  Node& node = impl_->existing(path, impl_->checked_path(path));
  if (node.is_directory()) throw impl_->error(Errc::is_a_directory, path, "is a directory");
  check_metadata(metadata);
  impl_->check_size(path, size);
  impl_->expander.forget(node.record.default_stream);
  impl_->set_metadata(node, metadata, &node);
  impl_->tree.named_streams(node).clear();
  impl_->open_stream({.size = size, .node = &node});
  return WriteStream(this);
}

void Writer::create_directory(std::u16string_view path, const Metadata& metadata) {
  const auto names = impl_->checked_path(path);
  check_metadata(metadata);
  if (names.empty()) {
    impl_->tree.root().created = true;
    return impl_->set_metadata(impl_->tree.root(), metadata, &impl_->tree.root());
  }
  Node& parent = impl_->parent_of(path, names);
  Node* present = impl_->tree.child(parent, names.back());
  if (present != nullptr && present->is_directory()) {
    present->created = true;
    return impl_->set_directory_metadata(*present, metadata, present);
  }
  Node& node = impl_->tree.create(true);
  impl_->set_directory_metadata(node, metadata, present);
  impl_->replace(parent, names.back(), node);
  impl_->cached_parent_path = path;
  impl_->cached_parent = &node;
}

WriteStream Writer::create_named_stream(std::u16string_view path, std::u16string_view name,
                                        std::uint64_t size) {
  Node& node = impl_->existing(path, impl_->checked_path(path));
  check_name(name);
  if (size > format::max_stream_length) {
    throw impl_->error(Errc::invalid_argument, path, "the stream is too large");
  }
  if (&node == &impl_->tree.root() && name == extension_stream) {
    throw Error(Errc::invalid_argument, "the root's stream 'cimfs.extension' is reserved");
  }
  impl_->tree.named_streams(node).erase(std::u16string(name));
  node.changed = true;
  impl_->open_stream({.size = size, .node = &node, .name = std::u16string(name)});
  return WriteStream(this);
}

void Writer::create_hard_link(std::u16string_view new_path, std::u16string_view existing_path) {
  const auto new_names = impl_->checked_path(new_path);
  Node& node = impl_->existing(existing_path, impl_->checked_path(existing_path));
  if (node.is_directory()) {
    throw impl_->error(Errc::is_a_directory, existing_path, "a directory can have no hard link");
  }
  Node& parent = impl_->parent_of(new_path, new_names);
  const Node* present = impl_->tree.child(parent, new_names.back());
  if (present == &node) return;
  if (present != nullptr && present->is_directory()) {
    throw impl_->error(Errc::is_a_directory, new_path, "is a directory");
  }
  impl_->replace(parent, new_names.back(), node);
}

void Writer::rename(std::u16string_view from, std::u16string_view to) { impl_->rename(from, to); }

void Writer::set_metadata(std::u16string_view path, const Metadata& metadata) {
  Node& node = impl_->existing(path, impl_->checked_path(path));
  check_metadata(metadata);
  impl_->set_metadata(node, metadata, &node);
}

void Writer::create_tombstone(std::u16string_view path) {
  impl_->create_mark(path, format::make_tombstone());
}

void Writer::create_merge_link(std::u16string_view new_path, std::u16string_view target_path) {
  if (impl_->checked_path(target_path).empty()) {
    throw impl_->error(Errc::invalid_argument, new_path, "cannot be a link to the root directory");
  }
  impl_->create_mark(new_path, format::make_merge_link(new_path, target_path));
}

void Writer::remove(std::u16string_view path) {
  const auto names = impl_->checked_path(path);
  Node& parent = impl_->parent_of(path, names);
  impl_->existing(path, names);
  impl_->remove_existing(parent, names.back());
}

void Writer::remove_inherited(std::u16string_view path) {
  const auto names = impl_->checked_path(path);
  if (names.empty()) {
    throw Error(Errc::invalid_argument, "the root directory cannot be replaced or removed");
  }
  impl_->cached_parent = nullptr;
  impl_->guarded([&] {
    Node* const parent = impl_->tree.find_inherited(std::span(names).first(names.size() - 1));
    if (parent != nullptr) impl_->tree.detach_inherited(*parent, names.back());
  });
}

void Writer::remove_inherited_contents(std::u16string_view path) {
  const auto names = impl_->checked_path(path);
  impl_->cached_parent = nullptr;
  impl_->guarded([&] {
    Node* const directory = impl_->tree.find_inherited(names);
    if (directory != nullptr) impl_->tree.detach_inherited_entries(*directory);
  });
}

void Writer::remove_named_stream(std::u16string_view path, std::u16string_view name) {
  Node& node = impl_->existing(path, impl_->checked_path(path));
  check_name(name);
  if (impl_->tree.named_streams(node).erase(std::u16string(name)) == 0) {
    throw impl_->error(Errc::path_not_found, path,
                       fmt::format("has no stream '{}'", image_to_linux_name(name)));
  }
  node.changed = true;
}

Writer::Kind Writer::find(std::u16string_view path) const {
  const Node* node = impl_->tree.find(split_path(path));
  if (node == nullptr) return Kind::none;
  return node->is_directory() ? Kind::directory : Kind::file;
}

void Writer::commit(const std::function<void(ByteView filesystem_file)>& before_visible) {
  impl_->check_usable();
  impl_->commit(before_visible);
}

WriteStream::WriteStream(WriteStream&& other) noexcept
    : writer_(std::exchange(other.writer_, nullptr)) {}

WriteStream& WriteStream::operator=(WriteStream&& other) noexcept {
  std::swap(writer_, other.writer_);
  return *this;
}

WriteStream::~WriteStream() {
  try {
    close();
  } catch (...) {  // the writer remembers it
  }
}

void WriteStream::write(ByteView data) {
  if (writer_ == nullptr) throw Error(Errc::invalid_argument, "the stream is closed");
  writer_->impl_->write(writer_->impl_->stream->position, data);
}

void WriteStream::write_at(std::uint64_t offset, ByteView data) {
  if (writer_ == nullptr) throw Error(Errc::invalid_argument, "the stream is closed");
  writer_->impl_->write(offset, data);
}

std::uint64_t WriteStream::copy_from(int fd, std::uint64_t offset, std::uint64_t length,
                                     const std::string& path) {
  if (writer_ == nullptr) throw Error(Errc::invalid_argument, "the stream is closed");
  return writer_->impl_->copy_from(fd, offset, length, path);
}

bool WriteStream::share(int fd) {
  if (writer_ == nullptr) throw Error(Errc::invalid_argument, "the stream is closed");
  return writer_->impl_->guarded([&] { return writer_->impl_->expander.share(fd); });
}

std::uint64_t WriteStream::size() const noexcept {
  return writer_ == nullptr ? 0 : writer_->impl_->stream->size;
}

void WriteStream::close() {
  if (writer_ != nullptr) std::exchange(writer_, nullptr)->impl_->close_stream();
}

}  // namespace cim
