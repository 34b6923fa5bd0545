// Files of an image -> members of a tar archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <cim/image.h>

#include "transfer/pax_writer.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Adds one file after the other, in the form of an operating system. For one thread at a time.
class MemberWriter {
 public:
  // All must outlive the writer.
  MemberWriter(const Image& image, Output& output, Progress& progress);
  virtual ~MemberWriter() = default;

  // Adds `file` under `path`, without a leading or trailing `/`, "" being the root. A file that has
  // been added is not added again: its further names are hard links to the first. What the archive
  // cannot hold is left out with a warning. Throws Error, naming the path.
  void add(const File& file, const std::string& path);

  // The same for a file that those who read the archive have at `target`.
  void add_link(const File& file, const std::string& path, const std::string& target);

  // Adds a file without data and metadata, a sign for those who read the archive.
  void add_marker(const std::string& path);

  // Ends the archive.
  void finish() { archive_.finish(); }

  // Reports what is left out.
  void warn(const std::string& message);

  // The number of warnings.
  std::uint64_t incomplete() const noexcept { return incomplete_; }

 protected:
  // What the archive says of `file`, apart from links and records.
  virtual struct stat status(const File& file) const = 0;

  // Why the archive cannot hold `file`; empty if it can.
  virtual std::string obstacle(const File& file) const = 0;

  // Adds records that a hard link has.
  virtual void describe_link(const File& /*file*/, PaxMember& /*member*/) const {}

  // Adds `file`, of which `member` has the path and status.
  virtual void add_new(const File& file, PaxMember& member) = 0;

  const Image& image() const noexcept { return image_; }
  Progress& progress() noexcept { return progress_; }

  // Adds a member without data, or with that of `stream`, whose holes become zeros or stay holes.
  void add_plain(const PaxMember& member);
  void add_with_data(const PaxMember& member, const Stream& stream);
  void add_with_holes(const PaxMember& member, const Stream& stream);

 private:
  PaxMember member_of(const File& file, const std::string& path) const;
  bool add_link_to_earlier_member(const File& file, PaxMember& member);
  std::optional<std::vector<DataRange>> data_ranges(const Stream& stream) const;
  void add_data(const Stream& stream, const DataRange& range);

  const Image& image_;
  PaxWriter archive_;
  Progress& progress_;
  std::uint64_t incomplete_ = 0;
  std::unordered_map<FileId, std::string> linked_files_;  // files with several names -> first path
  std::vector<std::byte> buffer_;
};

// Files as Linux has them: see export_tar().
class LinuxMemberWriter : public MemberWriter {
 public:
  using MemberWriter::MemberWriter;

 private:
  struct stat status(const File& file) const override;
  std::string obstacle(const File& file) const override;
  void add_new(const File& file, PaxMember& member) override;
  void add_xattrs(const File& file, PaxMember& member);
};

}  // namespace cim::transfer
