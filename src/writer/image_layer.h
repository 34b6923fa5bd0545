// One of the images that are merged, over those below it.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include <cim/image.h>

#include "image/metadata_tally.h"
#include "writer/merge_links.h"
#include "writer/merged_regions.h"
#include "writer/metadata_store.h"
#include "writer/tree.h"

namespace cim {

// Lays the files of an image over those of a tree, as if they were created there one by one: files
// replace what is there, directories only the metadata of directories. Tombstones hide what is
// there, merge links become hard links. Reads no data: the new nodes refer to that of the image.
// For one thread at a time.
class ImageLayer {
 public:
  // All must outlive this; `regions` turns the region offsets of `image` into those of the tree,
  // `metadata` stores what must be written anew for that.
  ImageLayer(const Image& image, const RegionTranslation& regions, Tree& tree,
             MetadataStore& metadata);

  // Call it once. Throws Error: corrupt, and what MergeLinks::resolve() throws.
  void lay();

 private:
  void lay_all();
  void lay_directory(const File& directory, Node& target);
  void lay_entry(Node& directory, std::u16string_view name, const File& file);
  void lay_subdirectory(Node& directory, std::u16string_view name, const File& file, Node* below);
  Node& node_of(const File& file);
  void take_metadata(Node& node, const File& file);
  void take_named_streams(Node& node, const File& file);
  Stream translated(const Stream& stream);
  Stream translated_executable(const Stream& stream);

  const Image& image_;
  const RegionTranslation& regions_;
  Tree& tree_;
  MetadataStore& metadata_;
  MetadataTally tally_;
  MergeLinks links_;
  std::vector<Node*> nodes_;                       // by id; null: not met yet
  std::vector<std::pair<FileId, Node*>> pending_;  // directories, and where they are in the tree
};

// Removes the tombstones of the image that `tree` builds on, which hide nothing, and makes hard
// links of its merge links. Throws as ImageLayer does.
void apply_marks_of_base(Tree& tree);

}  // namespace cim
