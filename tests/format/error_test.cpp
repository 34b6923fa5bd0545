// Error codes as Linux and Windows know them, and errors in words.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include <cim/error.h>
#include <gtest/gtest.h>

namespace cim {
namespace {

TEST(ErrorTest, EachCodeHasItsErrnoAndHresult) {
  const struct {
    Errc code;
    int error_number;
    std::uint32_t hresult;
  } expected[] = {
      {Errc::invalid_argument, EINVAL, 0x80070057},
      {Errc::file_not_found, ENOENT, 0x80070002},
      {Errc::path_not_found, ENOENT, 0x80070003},
      {Errc::not_a_directory, ENOTDIR, 0x80070003},
      {Errc::is_a_directory, EISDIR, 0x80070005},
      {Errc::file_exists, EEXIST, 0x80070050},
      {Errc::already_exists, EEXIST, 0x800700B7},
      {Errc::access_denied, EACCES, 0x80070005},
      {Errc::sharing_violation, EBUSY, 0x80070020},
      {Errc::end_of_file, EFBIG, 0x80070026},
      {Errc::disk_full, ENOSPC, 0x80070070},
      {Errc::out_of_memory, ENOMEM, 0x8007000E},
      {Errc::name_too_long, ENAMETOOLONG, 0x80070057},
      {Errc::limit_exceeded, E2BIG, 0x800700DF},
      {Errc::corrupt, EUCLEAN, 0x800701D6},
      {Errc::version_not_supported, EOPNOTSUPP, 0x800701D7},
      {Errc::unsupported, EOPNOTSUPP, 0x80070032},
      {Errc::io_error, EIO, 0x8007045D},
  };
  for (const auto& e : expected) {
    EXPECT_EQ(to_errno(e.code), e.error_number) << static_cast<int>(e.code);
    EXPECT_EQ(static_cast<std::uint32_t>(to_hresult(e.code)), e.hresult)
        << static_cast<int>(e.code);
  }
}

TEST(ErrorTest, NamesWhatIsKnownFromTheWholeToThePart) {
  const Error error(Errc::corrupt, "is too short");
  EXPECT_STREQ(error.what(), "is too short");
  const Error of_part = error.with_object("file 7");
  EXPECT_STREQ(of_part.what(), "file 7: is too short");
  const Error of_image = of_part.with_image("a.cim");
  EXPECT_STREQ(of_image.what(), "a.cim: file 7: is too short");
  const Error of_file = of_image.with_path("d/x");
  EXPECT_STREQ(of_file.what(), "a.cim: d/x: file 7: is too short");
  EXPECT_EQ(of_file.code(), Errc::corrupt);
  EXPECT_EQ(of_file.image(), "a.cim");
  EXPECT_EQ(of_file.path(), "d/x");
  EXPECT_EQ(of_file.object(), "file 7");
  EXPECT_EQ(of_file.reason(), "is too short");
  EXPECT_STREQ(error.what(), "is too short") << "the Errors that it was made from stay as they are";
}

TEST(ErrorTest, KeepsWhatIsKnownAlready) {
  const Error error = system_error(ENOENT, "here").with_image("a.cim");
  EXPECT_STREQ(error.with_path("there").with_image("b.cim").what(),
               "a.cim: here: No such file or directory");
  EXPECT_STREQ(error.with_object("").what(), "a.cim: here: No such file or directory");
}

TEST(ErrorTest, AnObjectCanBePartOfAnother) {
  const Error error = Error(Errc::corrupt, "overlap").with_object("names");
  EXPECT_STREQ(error.with_object("file 7").what(), "file 7: names: overlap");
}

TEST(ErrorTest, AnImageThatCannotBeOpenedIsNamedOnce) {
  const Error error = system_error(ENOENT, "a.cim").with_image("a.cim");
  EXPECT_STREQ(error.what(), "a.cim: No such file or directory");
  EXPECT_EQ(error.path(), "");
}

TEST(ErrorTest, AFileOfAnImageMayBeCalledAsTheImage) {
  const Error error = Error(Errc::corrupt, "is odd").with_image("a.cim").with_path("a.cim");
  EXPECT_STREQ(error.with_image("a.cim").what(), "a.cim: a.cim: is odd");
}

TEST(ErrorTest, ACopyHasTheSameMessageWhateverBecomesOfTheOriginal) {
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
  static_assert(std::is_nothrow_copy_assignable_v<Error>);
  std::optional<Error> error = system_error(ENOSPC, "/images/a.cim");
  const Error copy = *error;
  const Error moved = std::move(*error);
  const char* const words = copy.what();
  EXPECT_STREQ(error->what(), words);
  error.reset();
  EXPECT_STREQ(words, "/images/a.cim: No space left on device");
  EXPECT_EQ(moved.what(), words);
}

TEST(ErrorTest, SystemErrorNamesTheSubjectAndTheReason) {
  const Error error = system_error(ENOSPC, "/images/a.cim");
  EXPECT_STREQ(error.what(), "/images/a.cim: No space left on device");
  EXPECT_EQ(error.code(), Errc::disk_full);
}

TEST(ErrorTest, SystemErrorsKeepTheirMeaning) {
  const struct {
    int error_number;
    Errc code;
  } expected[] = {
      {ENOENT, Errc::file_not_found},
      {ENOTDIR, Errc::not_a_directory},
      {EISDIR, Errc::is_a_directory},
      {EEXIST, Errc::file_exists},
      {EACCES, Errc::access_denied},
      {EPERM, Errc::access_denied},
      {EROFS, Errc::access_denied},
      {EBUSY, Errc::sharing_violation},
      {EWOULDBLOCK, Errc::sharing_violation},
      {EDQUOT, Errc::disk_full},
      {ENOMEM, Errc::out_of_memory},
      {ENAMETOOLONG, Errc::name_too_long},
      {EINVAL, Errc::invalid_argument},
      {EFBIG, Errc::limit_exceeded},
      {EOPNOTSUPP, Errc::unsupported},
      {EIO, Errc::io_error},
      {EMFILE, Errc::io_error},
  };
  for (const auto& e : expected) {
    EXPECT_EQ(system_error(e.error_number, "x").code(), e.code) << std::strerror(e.error_number);
  }
}

TEST(ErrorTest, AnUnknownSystemErrorStillHasAMessage) {
  const Error error = system_error(99999, "x");
  EXPECT_STREQ(error.what(), "x: Unknown error 99999");
}

}  // namespace
}  // namespace cim
