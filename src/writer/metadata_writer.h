// Turning the tree of a finished image into metadata objects.
#pragma once

#include <optional>
#include <vector>

#include "format/layout.h"
#include "image/attribute_names.h"
#include "writer/region_writer.h"
#include "writer/tree.h"

namespace cim {

// Writes what is new in a tree: link tables, stream tables, file tables, the file table directory
// and the Filesystem object. File tables of the base image without changes are shared with it.
//
// New files get their ids in the order in which a walk meets them, all entries of a directory
// together, so that walking the image reads its file tables from front to back. For one thread at a
// time, with its tree and regions.
class MetadataWriter {
 public:
  // All must outlive this. `small_data` takes the extension stream, in which `attribute_names` are
  // recorded, if they are known. `is_fork`: the image is not a new version of the tree's base, but
  // one beside it.
  MetadataWriter(Tree& tree, RegionWriter& metadata, RegionWriter& small_data,
                 const std::optional<AttributeNames>& attribute_names, bool is_fork)
      : tree_(tree),
        metadata_(metadata),
        small_data_(small_data),
        attribute_names_(attribute_names),
        is_fork_(is_fork) {}

  // Writes everything; to be called once. `upcase_table` is the region offset of a table that is
  // there already, or 0 to write the tree's own. Returns the offset of the Filesystem object.
  // Throws Error.
  format::RegionOffset write(format::RegionOffset upcase_table);

 private:
  void number_files();
  void number_entries(Node& directory, std::vector<Node*>& pending);
  void write_link_table(Node& directory);
  void write_stream_table(Node& node);
  std::vector<LinkCount> count_links() const;
  FileId first_own_file() const;
  std::vector<format::FileTableDirectoryEntry> write_file_tables();

  Tree& tree_;
  RegionWriter& metadata_;
  RegionWriter& small_data_;
  const std::optional<AttributeNames>& attribute_names_;
  bool is_fork_;
  FileId first_new_id_ = 1;
  std::vector<Node*> new_nodes_;  // by id, from first_new_id_ on
};

}  // namespace cim
