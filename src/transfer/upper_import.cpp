// The upper directory of an overlay -> an image.
#include "transfer/upper_import.h"

#include "transfer/entry_sink.h"
#include "transfer/import_options.h"
#include "transfer/upper_source.h"

namespace cim::transfer {

std::uint64_t import_upper(Writer& writer, const Image& base, const UpperDirectory& upper,
                           Progress& progress) {
  const OverlayKind kind = upper.kind ? *upper.kind : find_overlay_kind(upper.path);
  if (kind == OverlayKind::kernel) require_trusted_attributes(upper.path);
  ImportOptions options;
  options.base = &base;
  options.literal_whiteouts = true;  // the source has told what is one
  UpperSource entries(upper.path, upper.work, kind, options, progress);
  store_entries(entries, writer, options, progress);
  return entries.incomplete();
}

}  // namespace cim::transfer
