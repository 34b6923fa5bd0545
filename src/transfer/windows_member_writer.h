// Files of an image -> members of a layer of a Windows container.
#pragma once

#include <string>

#include "transfer/member_writer.h"

namespace cim::transfer {

// Files with the records that windows_metadata() reads. An alternate data stream is a member
// FILE:NAME right after that of its file. Holes become zeros.
class WindowsMemberWriter : public MemberWriter {
 public:
  using MemberWriter::MemberWriter;

 private:
  struct stat status(const File& file) const override;
  std::string obstacle(const File& file) const override;
  void describe_link(const File& file, PaxMember& member) const override;
  void add_new(const File& file, PaxMember& member) override;
  void add_extended_attributes(const File& file, PaxMember& member);
  void add_named_streams(const File& file, const PaxMember& member);
};

}  // namespace cim::transfer
