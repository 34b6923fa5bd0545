// Upper directories of overlays on images with what only Windows has.
#include "transfer/upper_import.h"

#include <boost/filesystem.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include "posix/attributes.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "tree.h"

namespace cim::transfer {
namespace {

using test::file_at;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class UpperImport : public testing::Test {
 protected:
  UpperImport() { boost::filesystem::create_directory(upper()); }

  std::string upper() const { return directory_ / "upper"; }

  Writer::Options options(const char* name) const {
    return {.directory = directory_.string(), .name = name};
  }

  // Makes base.cim with the directory `d`, which has the stream `s`: "value".
  void make_base(bool case_insensitive) const {
    Writer::Options base = options("base.cim");
    base.case_insensitive = case_insensitive;
    Writer writer(base);
    writer.create_directory(u"d", {});
    WriteStream stream = writer.create_named_stream(u"d", u"s", 5);
    stream.write(test::bytes("value"));
    stream.close();
    writer.commit();
  }

  // Makes the directory `name` in the upper directory, with the attribute user.s if the value is
  // not empty.
  void make_directory(const std::string& name, std::string_view value) const {
    const std::string path = upper() + "/" + name;
    boost::filesystem::create_directory(path);
    if (value.empty()) return;
    ASSERT_EQ(0, setxattr(path.c_str(), "user.s", value.data(), value.size(), 0));
  }

  void import() {
    const Image base(directory_ / "base.cim");
    Writer::Options fork = options("new.cim");
    fork.existing = "base.cim";
    Writer writer(fork);
    // Everybody may have an overlay of this kind.
    EXPECT_EQ(0u, import_upper(writer, base, {.path = upper(), .kind = OverlayKind::userxattr},
                               progress_));
    writer.commit();
  }

  Image made() {
    import();
    return Image(directory_ / "new.cim");
  }

  const test::TemporaryDirectory directory_;
  RecordingProgress progress_;
};

TEST_F(UpperImport, AStreamOfADirectoryStaysOneUntilItChanges) {
  make_base(false);
  make_directory("d", "value");
  const Image image = made();
  EXPECT_THAT(image.named_streams(file_at(image, u"d")), SizeIs(1));
  EXPECT_THAT(posix::stored_xattrs(image, file_at(image, u"d")), IsEmpty());
}

TEST_F(UpperImport, AChangedStreamOfADirectoryIsAnAttribute) {
  make_base(false);
  make_directory("d", "other");
  const Image image = made();
  EXPECT_THAT(image.named_streams(file_at(image, u"d")), IsEmpty());
  EXPECT_THAT(posix::stored_xattrs(image, file_at(image, u"d")), SizeIs(1));
}

TEST_F(UpperImport, ARemovedStreamOfADirectoryIsGone) {
  make_base(false);
  make_directory("d", "");
  const Image image = made();
  EXPECT_THAT(image.named_streams(file_at(image, u"d")), IsEmpty());
  EXPECT_THAT(posix::stored_xattrs(image, file_at(image, u"d")), IsEmpty());
}

TEST_F(UpperImport, ANameInAnotherCaseIsRefusedWhereThatIsTheSame) {
  make_base(true);
  make_directory("D", "");
  EXPECT_THAT(test::message_of([&] { import(); }),
              HasSubstr("upper/D: is 'd' in " + (directory_ / "base.cim") + ", where case"));
}

}  // namespace
}  // namespace cim::transfer
