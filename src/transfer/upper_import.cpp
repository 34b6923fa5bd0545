// The upper directory of an overlay -> an image.
#include "transfer/upper_import.h"

#include "transfer/entry_sink.h"
#include "transfer/import_options.h"
#include "transfer/upper_source.h"

namespace cim::transfer {

std::uint64_t import_upper(Writer& writer, const Image& base, const UpperDirectory& upper,
                           Progress& progress) {
  const UpperFormat format = upper.format ? *upper.format : find_upper_format(upper.path);
  if (format == UpperFormat::overlay) require_trusted_attributes(upper.path);
  ImportOptions options;
  options.base = &base;
  options.literal_whiteouts = true;  // the source has told what is one
  UpperSource entries(upper.path, upper.work, format, options, progress);
  store_entries(entries, writer, options, progress);
  return entries.incomplete();
}

}  // namespace cim::transfer
