// What a program in C11 builds.
#include "fixture.h"

// In c11_program.c: builds the image `name` in `directory`. Returns 0, or the number of the line
// that failed.
extern "C" int build_image_in_c(PCWSTR directory, PCWSTR name);

// In own_types_program.c: whether the image at `image` has a file at `path`.
extern "C" int find_with_own_types(PCWSTR image, PCWSTR path);

namespace cim::capi_test {
namespace {

using C11Test = CapiTest;

TEST_F(C11Test, ProgramInCHasTypesOfItsOwn) {
  commit_image(u"a.cim", "text");
  const std::u16string image = directory16() + u"/a.cim";
  EXPECT_TRUE(find_with_own_types(image.c_str(), u"f"));
  EXPECT_FALSE(find_with_own_types(image.c_str(), u"g"));
}

TEST_F(C11Test, ProgramInCBuildsAnImage) {
  ASSERT_EQ(0, build_image_in_c(directory16().c_str(), u"c.cim"));
  const Image committed = open_image("c.cim");
  EXPECT_EQ("hello", contents(committed, u"dir\\file"));
  EXPECT_EQ("abc", stream_contents(committed, u"dir\\file", u"stream"));
  EXPECT_EQ(committed.resolve(u"dir\\file"), committed.resolve(u"link"));
  EXPECT_EQ(0x100000002, file_at(committed, u"link").last_write_time);
}

}  // namespace
}  // namespace cim::capi_test
