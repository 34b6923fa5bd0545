// Every field of every structure of an image, broken: the image is opened, walked, read, checked
// and built upon. That ends in clean errors or in an answer.
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

class CorruptionTest : public testing::Test {
 protected:
  // The errors of all that is done with the image.
  int use() const {
    return test::Explorer(path_).explore() + build_upon() +
           static_cast<int>(test::errors_of_check(path_, true));
  }

  // As a writer that looks for its data in the object id files.
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

  CorruptionTest() { test::extend(directory_.string(), "a.cim"); }

  const test::TemporaryDirectory directory_;
  const std::string path_ = test::write_sample_image(directory_.string());
};

// Whether somebody must notice.
bool is_error(const test::Corruption& corruption) {
  const std::string_view field = corruption.field;
  if (field == "name") {
    return corruption.value == 0 || corruption.value == u'/' || corruption.value == u'\\';
  }
  return field == "LinkCount.count" || field == "start of ObjectIdEntry.digest";
}

TEST_F(CorruptionTest, EveryFieldOfEveryStructure) {
  ASSERT_EQ(0, use());
  int noticed = 0;
  test::try_corruptions(path_, 1, [&](const test::Corruption& corruption) {
    const std::clock_t start = std::clock();
    const int errors = use();
    EXPECT_LT(std::clock() - start, 5 * CLOCKS_PER_SEC);
    noticed += errors > 0 ? 1 : 0;
    if (is_error(corruption)) {
      EXPECT_GT(errors, 0);
    }
  });
  EXPECT_EQ(0, use()) << "a field was not restored";
  std::cout << noticed << " of them with errors\n";
}

}  // namespace
}  // namespace cim
