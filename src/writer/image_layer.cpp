#include "writer/image_layer.h"

#include <unordered_set>

#include <cim/error.h>
#include <fmt/format.h>

#include "format/bytes.h"
#include "format/merge_marks.h"
#include "format/reparse.h"
#include "format/upcase.h"
#include "image/internals.h"

namespace cim {
namespace {

// Files may share their target. Those of different ones share no metadata, unless it is hostile.
void add_target(MergeLinks& links, const Node& node, std::u16string target, MetadataTally& tally) {
  const std::size_t size = target.size() * sizeof(char16_t);
  if (links.add_target(node, std::move(target))) tally.add_part_of_file(size);
}

}  // namespace

ImageLayer::ImageLayer(const Image& image, const RegionTranslation& regions, Tree& tree,
                       MetadataStore& metadata)
    : image_(image),
      regions_(regions),
      tree_(tree),
      metadata_(metadata),
      tally_(image),
      links_(tree) {
  const std::uint64_t limit = image_.file_id_limit();
  if (limit * sizeof(Node*) > ImageInternals(image_).metadata_size()) {
    throw Error(Errc::corrupt,
                "file tables overlap: they claim more records than the metadata can hold");
  }
  nodes_.resize(limit + 1);
}

void ImageLayer::lay() {
  try {
    lay_all();
  } catch (const Error& error) {
    throw error.with_image(image_.path());
  }
}

void ImageLayer::lay_all() {
  image_.read_metadata_ahead();
  const File root = image_.file(image_.root());
  nodes_[root.id] = &tree_.root();
  take_metadata(tree_.root(), root);
  lay_directory(root, tree_.root());
  while (!pending_.empty()) {
    const auto [id, target] = pending_.back();
    pending_.pop_back();
    lay_directory(image_.file(id), *target);
  }
  links_.resolve();
}

void ImageLayer::lay_directory(const File& directory, Node& target) {
  const Directory entries = image_.entries(directory);
  EntryName names[2];
  for (std::uint32_t i = 0; i < entries.size(); ++i) {
    EntryName& name = names[i % 2];
    const FileId id = image_.entry(entries, i, name);
    tally_.add_entry(name.view());
    const EntryName& previous = names[(i + 1) % 2];
    if (i > 0 && !tree_.order()(previous.view(), name.view())) {
      throw Error(Errc::corrupt, "out of order, or the same name twice")
          .with_object(fmt::format("directory {}: entry {}", directory.id, i));
    }
    lay_entry(target, name.view(), image_.file(id));
  }
}

void ImageLayer::lay_entry(Node& directory, std::u16string_view name, const File& file) {
  Node* const below = tree_.child(directory, name);
  if (file.is_directory()) return lay_subdirectory(directory, name, file, below);
  if (below != nullptr) tree_.detach(directory, name);
  if (format::is_tombstone(marked_file(image_, file))) return;
  Node& node = node_of(file);
  tree_.attach(directory, name, node);
  links_.add_name(directory, name, node);
}

void ImageLayer::lay_subdirectory(Node& directory, std::u16string_view name, const File& file,
                                  Node* below) {
  if (nodes_[file.id] != nullptr) {
    throw Error(Errc::corrupt, "has a second name")
        .with_object(fmt::format("directory {}", file.id));
  }
  const bool merges =
      below != nullptr && below->is_directory() && !format::is_opaque(marked_file(image_, file));
  Node& node = merges ? *below : tree_.create(true);
  take_metadata(node, file);
  if (!merges) {
    if (below != nullptr) tree_.detach(directory, name);
    tree_.attach(directory, name, node);
  }
  nodes_[file.id] = &node;
  pending_.emplace_back(file.id, &node);
}

// The node of a file that is no directory.
Node& ImageLayer::node_of(const File& file) {
  Node*& node = nodes_[file.id];
  if (node != nullptr) return *node;
  node = &tree_.create(false);
  take_metadata(*node, file);
  if (auto target = format::merge_link_target(marked_file(image_, file))) {
    add_target(links_, *node, *std::move(target), tally_);
  }
  return *node;
}

// Keeps what `node` is in its tree: entries, names, and alternate streams that `file` does not
// have.
void ImageLayer::take_metadata(Node& node, const File& file) {
  File translated_file = file;
  translated_file.stream =
      file.is_directory() ? decode_stream(node.record.default_stream) : translated(file.stream);
  translated_file.security_descriptor_offset = regions_(file.security_descriptor_offset);
  translated_file.extended_attributes_offset = regions_(file.extended_attributes_offset);
  translated_file.reparse_data_offset = regions_(file.reparse_data_offset);
  translated_file.stream_table_offset = node.record.stream_table;
  translated_file.name_table_offset = node.record.name_table;
  translated_file.parent = node.record.parent;
  node.record = encode_file(translated_file);
  node.changed = true;
  if (file.stream_table_offset != 0) take_named_streams(node, file);
}

void ImageLayer::take_named_streams(Node& node, const File& file) {
  tally_.add_part_of_file(ImageInternals(image_).stream_table_size(file));
  StreamMap& streams = tree_.named_streams(node);
  for (const NamedStream& stream : image_.named_streams(file)) {
    streams.insert_or_assign(stream.name, encode_stream(translated(stream.stream)));
  }
}

Stream ImageLayer::translated(const Stream& stream) {
  Stream result = stream;
  if (stream.sparse || stream.length == 0) {
    result.region_offset = 0;
  } else if (stream.type == StreamType::pe_image) {
    result = translated_executable(stream);
  } else {
    result.region_offset = regions_(stream.region_offset);
  }
  return result;
}

// The object that says where the parts of an executable are has a region offset itself.
Stream ImageLayer::translated_executable(const Stream& stream) {
  Stream result = stream;
  const PeImageObject executable = ImageInternals(image_).pe_image(stream);
  tally_.add_part_of_file(executable.mappings.size());
  format::PeImage header = executable.header;
  header.data = regions_(executable.header.data);
  if (header.data == executable.header.data) {
    result.region_offset = regions_(stream.region_offset);
    return result;
  }
  std::vector<std::byte> object;
  format::append(object, format::bytes_of(header));
  format::append(object, executable.mappings);
  result.region_offset = metadata_.intern(object);
  return result;
}

namespace {

// The files of `image` that may be tombstones or merge links, in use or not.
std::vector<File> files_with_marks(const Image& image) {
  std::vector<File> found;
  const ImageInternals internals(image);
  for (std::uint32_t index = 0; index < internals.file_table_count(); ++index) {
    const FileTable table = internals.file_table(index);
    for (std::uint32_t slot = 0; slot < table.entry.count; ++slot) {
      const auto tag = format::load<std::uint32_t>(
          table.records,
          std::uint64_t{slot} * table.entry.entry_size + offsetof(format::File, reparse_tag),
          "tag");
      if (tag != format::tag_lx_chr && tag != format::tag_symlink) continue;
      found.push_back(image.file(index * format::files_per_table + slot + 1));
    }
  }
  return found;
}

void apply_all_marks_of_base(Tree& tree) {
  const Image& base = *tree.base();
  MergeLinks links(tree);
  MetadataTally tally(base);
  std::unordered_set<const Node*> tombstones;
  std::unordered_set<const Node*> all;
  for (const File& file : files_with_marks(base)) {
    if (file.is_directory()) continue;
    const bool is_tombstone = format::is_tombstone(marked_file(base, file));
    auto target = format::merge_link_target(marked_file(base, file));
    if (!is_tombstone && !target) continue;
    const Node* const node = &tree.load(file.id);
    all.insert(node);
    if (is_tombstone) tombstones.insert(node);
    if (target) add_target(links, *node, *std::move(target), tally);
  }
  for (const auto& [node, names] : tree.find_names(all)) {
    for (const FileName& name : names) {
      Node& directory = tree.load(name.directory);
      if (tombstones.contains(node)) {
        tree.detach(directory, name.name);
      } else {
        links.add_name(directory, name.name, *node);
      }
    }
  }
  links.resolve();
}

}  // namespace

void apply_marks_of_base(Tree& tree) {
  try {
    apply_all_marks_of_base(tree);
  } catch (const Error& error) {
    throw error.with_image(tree.base()->path());
  }
}

}  // namespace cim
