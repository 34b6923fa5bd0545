// An image -> a tar archive.
#include "transfer/tar_export.h"

#include "transfer/image_walk.h"
#include "transfer/member_writer.h"

namespace cim::transfer {

std::uint64_t export_tar(const Image& image, Output& output, Progress& progress,
                         const Selection& selection) {
  LinuxMemberWriter archive(image, output, progress);
  ImageWalk walk(image, selection);
  using Step = ImageWalk::Step;
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) continue;
    archive.add(walk.file(), walk.path());
    progress.advance({.files = 1});
  }
  archive.finish();
  return archive.incomplete();
}

}  // namespace cim::transfer
