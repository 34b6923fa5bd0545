// Mounts of what other writers may make: each choice that the format leaves them, by version.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixture.h"
#include "image/foreign_tree.h"

namespace cim::test {
namespace {

using testing::ElementsAre;

class ForeignImagesTest
    : public MountTest,
      public testing::WithParamInterface<std::tuple<std::uint32_t, NamedChoices>> {};

INSTANTIATE_TEST_SUITE_P(, ForeignImagesTest,
                         testing::Combine(testing::Values(1u, 2u, 3u),
                                          testing::ValuesIn(all_choices)),
                         name_of_choices);

TEST_P(ForeignImagesTest, AreMounted) {
  const auto& [version, choices] = GetParam();
  const ForeignTree tree(fresh().directory, version, choices.second);
  const std::string root = mount("forged.cim") + "/";
  for (const auto& [path, content] : tree.contents()) {
    EXPECT_EQ(content, read_file(root + image_to_linux_path(path)));
  }
  for (const auto& [name, content] : tree.streams()) {
    EXPECT_EQ(content, xattr(root + "f", ("user." + image_to_linux_name(name)).c_str()));
  }
  EXPECT_THAT(list_directory(root), ElementsAre("d", "empty", "executable", "f", "void"));
  EXPECT_THAT(list_directory(root + "void"), ElementsAre());
  EXPECT_EQ(4u, status_of(root).st_nlink);
  EXPECT_EQ(2u, status_of(root + "d/g").st_nlink);
  EXPECT_EQ(status_of(root + "f").st_ino, status_of(root + "D/G").st_ino);
}

}  // namespace
}  // namespace cim::test
