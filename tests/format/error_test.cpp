// Error codes against what Linux and Windows call them.
#include <cerrno>
#include <cstdint>
#include <cstring>

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
