// Turns the tree of a finished image into metadata objects.
#pragma once

#include <optional>
#include <vector>

#include "format/layout.h"
#include "format/link_table.h"
#include "image/attribute_names.h"
#include "writer/metadata_store.h"
#include "writer/object_index.h"
#include "writer/region_set_writer.h"
#include "writer/tree.h"

namespace cim {

// Writes the new parts of a tree: the upcase table, link tables, stream tables, name tables, file
// tables, the file table directory and the Filesystem object. Unchanged file tables are shared with
// the base image.
//
// New files get their ids in the order in which a walk meets them, all entries of a directory
// together, so that walking the image reads its file tables from front to back. For one thread at a
// time, with its tree and regions.
class MetadataWriter {
 public:
  // All must outlive this. An extension stream goes to a region for small data, its object id to
  // `data_objects`; it records `attribute_names` if they are known. `is_fork`: the image is not a
  // new version of the tree's base, but one beside it.
  MetadataWriter(Tree& tree, MetadataStore& metadata, RegionSetWriter& regions,
                 ObjectIndex& data_objects, const std::optional<AttributeNames>& attribute_names,
                 bool is_fork)
      : tree_(tree),
        metadata_(metadata),
        regions_(regions),
        data_objects_(data_objects),
        attribute_names_(attribute_names),
        is_fork_(is_fork) {}

  // Write everything in two steps, each called once; during the first, file data may still be on
  // its way into regions. `upcase_table` is the region offset of an existing table, or 0 to write
  // the tree's own. Returns the offset of the Filesystem object. Throw Error.
  void write_directories(format::RegionOffset upcase_table);
  format::RegionOffset write_files();

 private:
  void number_files();
  void number_directories(Node& directory, std::vector<Node*>& pending);
  void number_other_files(const Node& directory);
  void number_file(Node& node, const std::pmr::u16string& name, const Node& directory);
  void write_link_table(Node& directory);
  void write_stream_table(Node& node);
  void write_name_tables();
  void write_name_table_of_new(Node& node);
  void write_name_table(Node& node, std::vector<FileName>& names);
  bool needs_extension() const;
  std::vector<LinkCount> count_links() const;
  FileId first_own_file() const;
  std::vector<format::FileTableDirectoryEntry> write_file_tables();

  Tree& tree_;
  MetadataStore& metadata_;
  RegionSetWriter& regions_;
  ObjectIndex& data_objects_;
  const std::optional<AttributeNames>& attribute_names_;
  bool is_fork_;
  format::RegionOffset upcase_table_ = 0;
  FileId first_new_id_ = 1;
  std::vector<Node*> new_nodes_;            // by id, from first_new_id_ on
  std::vector<Node*> changed_directories_;  // in the order of a walk
  FileNames further_names_;                 // new names of files that already have an id
  format::LinkTableBuilder name_table_ = format::LinkTableBuilder(sizeof(FileId));
};

}  // namespace cim
