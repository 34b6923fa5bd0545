// Users and groups as people write them.
#include "posix/accounts.h"

#include <cim/error.h>
#include <gtest/gtest.h>

namespace cim::posix {
namespace {

TEST(Accounts, AreKnownByName) {
  EXPECT_EQ(0u, parse_user("root"));
  EXPECT_EQ(0u, parse_group("root"));
}

TEST(Accounts, CanBeNumbers) {
  EXPECT_EQ(0u, parse_user("0"));
  EXPECT_EQ(1000000u, parse_group("1000000"));
  EXPECT_EQ(4294967294u, parse_user("4294967294"));
}

TEST(Accounts, HaveTheNumberAfterTheName) {
  EXPECT_EQ(42u, parse_user("root:42"));
  EXPECT_EQ(42u, parse_group("nobody knows:42"));
}

TEST(Accounts, ThatAreNoneAreNamed) {
  for (const char* text : {"", "no such user", "4294967295", "99999999999", "-1", "root:", "root:x",
                           "1:2:3", "0x10"}) {
    for (const auto parse : {&parse_user, &parse_group}) {
      try {
        parse(text);
        ADD_FAILURE() << text;
      } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("'" + std::string(text) + "'"), std::string::npos)
            << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace cim::posix
