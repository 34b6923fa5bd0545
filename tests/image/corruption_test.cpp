// Every field of every structure of an image, broken: the image is opened, walked, read, checked
// and built upon. All of this ends in clean errors or in an answer.
#include "image/corruption.h"

#include <ctime>
#include <iostream>

#include <cim/writer.h>
#include <gtest/gtest.h>

#include "image/explorer.h"
#include "image/sample_image.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

class CorruptionTest : public testing::TestWithParam<test::BreakableImage> {
 protected:
  // The errors of all that is done with the image.
  int use() const {
    return test::Explorer(path_).explore() + build_upon() +
           static_cast<int>(test::errors_of_check(path_, true));
  }

  // Builds as a writer does that looks for its data in the object id files.
  int build_upon() const {
    try {
      Writer writer({.directory = directory_.string(), .existing = "a.cim", .name = "b.cim"});
      test::put(writer, u"again", std::string(20000, 'x'));
      test::put(writer, u"d\\new", "new");
      return 0;
    } catch (const Error&) {
      return 1;
    }
  }

  CorruptionTest() { GetParam().make(directory_.string()); }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "a.cim";
};

INSTANTIATE_TEST_SUITE_P(, CorruptionTest, testing::ValuesIn(test::breakable_images),
                         [](const auto& test) { return test.param.name; });

// Whether the corruption must be noticed. The digests of version 2 are not known.
bool is_error(const test::Corruption& corruption) {
  const std::string_view field = corruption.field;
  if (field == "name") {
    return corruption.value == 0 || corruption.value == u'/' || corruption.value == u'\\';
  }
  if (field == "start of ObjectIdEntry.digest") {
    return test::read_object<format::CommonHeader>(corruption.path, 0).version_major != 2;
  }
  return field == "LinkCount.count";
}

TEST_P(CorruptionTest, EveryFieldOfEveryStructure) {
  const int before = use();  // ids in gaps, what the last fork added
  int noticed = 0;
  test::try_corruptions(path_, GetParam().step, [&](const test::Corruption& corruption) {
    const std::clock_t start = std::clock();
    const int errors = use();
    EXPECT_LT(std::clock() - start, 5 * CLOCKS_PER_SEC);
    noticed += errors > before ? 1 : 0;
    if (is_error(corruption)) {
      EXPECT_GT(errors, before);
    }
  });
  EXPECT_EQ(before, use()) << "a field was not restored";
  std::cout << noticed << " of them with errors\n";
}

}  // namespace
}  // namespace cim
