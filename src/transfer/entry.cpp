// What goes into an image.
#include "transfer/entry.h"

namespace cim::transfer {

Metadata WindowsMetadata::view() const noexcept {
  Metadata metadata;
  metadata.attributes = attributes;
  metadata.creation_time = creation_time;
  metadata.last_write_time = last_write_time;
  metadata.change_time = change_time;
  metadata.last_access_time = last_access_time;
  metadata.security_descriptor = security_descriptor;
  metadata.reparse_data = reparse_data;
  metadata.extended_attributes = extended_attributes;
  return metadata;
}

}  // namespace cim::transfer
