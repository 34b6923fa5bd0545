// check_image: each kind of damage is found and named.
#include "image/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/forged_image.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::ForgedImage;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class Problems : public CheckObserver {
 public:
  void found(bool is_error, const std::string& message) override {
    if (is_error) errors.push_back(message);
  }
  void expect(std::uint64_t, std::uint64_t) override {}
  void advance(std::uint64_t, std::uint64_t) override {}

  std::vector<std::string> errors;
};

class CheckImage : public testing::Test {
 protected:
  std::vector<std::string> check(const std::vector<format::File>& files) {
    Problems problems;
    check_image(forged_.write(directory_.string(), files), false, problems);
    return problems.errors;
  }

  format::File directory(const std::vector<std::pair<std::u16string, FileId>>& entries,
                         FileId parent) {
    return {.default_stream = forged_.directory(entries), .parent = parent};
  }

  const test::TemporaryDirectory directory_;
  ForgedImage forged_;
};

TEST_F(CheckImage, AcceptsAGoodImage) {
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), {.parent = 1}}), IsEmpty());
}

TEST_F(CheckImage, FindsNamesOutOfOrder) {
  EXPECT_THAT(check({directory({{u"b", 2}, {u"a", 3}}, 1), {.parent = 1}, {.parent = 1}}),
              Contains(HasSubstr("out of order")));
}

TEST_F(CheckImage, FindsANameTwice) {
  EXPECT_THAT(check({directory({{u"a", 2}, {u"a", 3}}, 1), {.parent = 1}, {.parent = 1}}),
              Contains(HasSubstr("same name twice")));
}

TEST_F(CheckImage, EndsOnACycleAndFindsIt) {
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), directory({{u"b", 1}}, 1)}),
              Contains(HasSubstr("directory 1: has a second name, in directory 2")));
}

TEST_F(CheckImage, FindsAParentThatHasNoSuchName) {
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), {.parent = 7}}),
              Contains(HasSubstr("file 2: its parent, 7")));
}

TEST_F(CheckImage, FindsDataPastTheEndOfItsRegion) {
  format::Stream stream = forged_.file_data("short");
  stream.length_and_type += 1000000;
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), {.default_stream = stream, .parent = 1}}),
              Contains(HasSubstr("file 2: data: ")));
}

TEST_F(CheckImage, GoesOnAfterAProblem) {
  EXPECT_THAT(check({directory({{u"a", 9}, {u"b", 2}}, 1), {.parent = 7}}), testing::SizeIs(2));
}

}  // namespace
}  // namespace cim
