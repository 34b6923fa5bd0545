// Names between Linux and images.
#include <random>
#include <string>

#include <cim/error.h>
#include <cim/name.h>
#include <gtest/gtest.h>

namespace cim {
namespace {

std::u16string to_image(std::string_view name) { return linux_to_image_name(name); }
std::string to_linux(std::u16string_view name) { return image_to_linux_name(name); }

void expect_mapping(const std::string& linux_name, const std::u16string& image_name) {
  EXPECT_EQ(to_image(linux_name), image_name) << linux_name;
  EXPECT_EQ(to_linux(image_name), linux_name) << linux_name;
}

Errc path_error(std::string_view path) {
  try {
    linux_to_image_path(path);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error for " << path;
  return Errc::io_error;
}

TEST(NameTest, TextKeepsItsCharacters) {
  expect_mapping("", u"");
  expect_mapping("xt_MARK.h", u"xt_MARK.h");
  expect_mapping("gr\u00fc\u00dfe \u4f60\u597d", u"gr\u00fc\u00dfe \u4f60\u597d");
  expect_mapping("\U0001F600.txt", u"\U0001F600.txt");
  expect_mapping("\U0010FFFF", u"\U0010FFFF");
  expect_mapping("\u0080\u07ff\u0800\ud7ff\ue000\uffff", u"\u0080\u07ff\u0800\ud7ff\ue000\uffff");
}

TEST(NameTest, BytesThatWindowsForbidMoveToThePrivateUseArea) {
  expect_mapping("\"*:<>?\\|", u"\uf022\uf02a\uf03a\uf03c\uf03e\uf03f\uf05c\uf07c");
  for (int byte = 1; byte < 32; ++byte) {
    expect_mapping(std::string(1, static_cast<char>(byte)),
                   std::u16string(1, static_cast<char16_t>(0xF000 + byte)));
  }
}

TEST(NameTest, AllOtherAsciiStaysAsItIs) {
  for (char c = ' '; c != '\x7f'; ++c) {
    if (std::string_view("\"*:<>?\\|").find(c) == std::string_view::npos) {
      expect_mapping(std::string(1, c), std::u16string(1, static_cast<char16_t>(c)));
    }
  }
  expect_mapping("\x7f", u"\x7f");
}

TEST(NameTest, BytesThatAreNotUtf8BecomeLoneSurrogates) {
  expect_mapping("caf\xe9", std::u16string(u"caf") + u'\xdce9');
  expect_mapping("\x80", {0xDC80});
  expect_mapping("\xff\xfe", {0xDCFF, 0xDCFE});
  expect_mapping("\xe4\xbd", {0xDCE4, 0xDCBD});                          // cut off
  expect_mapping("\xe4\xbdx", {0xDCE4, 0xDCBD, u'x'});                   // interrupted
  expect_mapping("\xc0\xaf", {0xDCC0, 0xDCAF});                          // overlong '/'
  expect_mapping("\xe0\x80\xaf", {0xDCE0, 0xDC80, 0xDCAF});              // overlong '/'
  expect_mapping("\xe0\x9f\xbf", {0xDCE0, 0xDC9F, 0xDCBF});              // overlong
  expect_mapping("\xf0\x8f\xbf\xbf", {0xDCF0, 0xDC8F, 0xDCBF, 0xDCBF});  // overlong
  expect_mapping("\xed\xa0\x80", {0xDCED, 0xDCA0, 0xDC80});              // surrogate
  expect_mapping("\xed\xbf\xbf", {0xDCED, 0xDCBF, 0xDCBF});              // surrogate
  expect_mapping("\xf4\x90\x80\x80", {0xDCF4, 0xDC90, 0xDC80, 0xDC80});  // over U+10FFFF
  expect_mapping("\xf8\x88\x80\x80\x80", {0xDCF8, 0xDC88, 0xDC80, 0xDC80, 0xDC80});
}

TEST(NameTest, ARawByteAfterAPairIsNotPartOfIt) {
  expect_mapping("\U0001F600\x80", {0xD83D, 0xDE00, 0xDC80});
}

TEST(NameTest, ACharacterThatStandsForAForbiddenByteIsEscaped) {
  expect_mapping("\uf05c", {0xDCEF, 0xDC81, 0xDC9C});
  expect_mapping("\uf001", {0xDCEF, 0xDC80, 0xDC81});
}

TEST(NameTest, OtherPrivateUseCharactersStayAsTheyAre) {
  expect_mapping("\uf000\uf020\uf021\uf02f\uf041\uf07f\uf080\uf0ff",
                 u"\uf000\uf020\uf021\uf02f\uf041\uf07f\uf080\uf0ff");
}

TEST(NameTest, LoneSurrogatesOfWindowsComeOutAsThreeBytes) {
  EXPECT_EQ(to_linux(std::u16string{0xD800}), "\xed\xa0\x80");
  EXPECT_EQ(to_linux(std::u16string{0xD800, u'x'}), "\xed\xa0\x80x");
  EXPECT_EQ(to_linux(std::u16string{0xDC00}), "\xed\xb0\x80");
  EXPECT_EQ(to_linux(std::u16string{0xDC2F}), "\xed\xb0\xaf");
  EXPECT_EQ(to_linux(std::u16string{0xDFFF}), "\xed\xbf\xbf");
}

// Names of random bytes, most of them from where encodings and escapes meet.
class RandomNames {
 public:
  std::string next() {
    static constexpr std::string_view pieces[] = {
        "a",    "\\",     ":",      "\x01",   "\x80",   "\x9c",   "\xbf",
        "\xc2", "\xe4",   "\xed",   "\xa0",   "\xef",   "\xf0",   "\xf4",
        "\xff", "\u00e9", "\uf05c", "\uf02f", "\uf000", "\uffff", "\U0001F600"};
    std::string name;
    const std::size_t count = random_() % 12;
    for (std::size_t i = 0; i < count; ++i) {
      if (random_() % 4 == 0) {
        name += static_cast<char>(random_() % 256);
      } else {
        name += pieces[random_() % std::size(pieces)];
      }
    }
    return name;
  }

 private:
  std::mt19937 random_{2};
};

TEST(NameTest, EveryStringOfBytesComesBackTheSame) {
  RandomNames names;
  for (int i = 0; i < 200000; ++i) {
    const std::string name = names.next();
    const std::u16string image_name = to_image(name);
    ASSERT_EQ(to_linux(image_name), name);
    ASSERT_LE(image_name.size(), name.size());
  }
}

TEST(NameTest, NothingOfALinuxNameBecomesAForbiddenUnit) {
  RandomNames names;
  for (int i = 0; i < 200000; ++i) {
    for (const char16_t unit : to_image(names.next())) {
      ASSERT_TRUE(unit == 0 || unit >= 0x20) << static_cast<int>(unit);
      ASSERT_EQ(std::u16string_view(u"\"*:<>?\\|").find(unit), std::u16string_view::npos);
    }
  }
}

TEST(NameTest, SlashAndNulComeOnlyFromThemselves) {
  for (unsigned first = 0; first < 0x10000; ++first) {
    const std::u16string name = {static_cast<char16_t>(first), u'a'};
    const std::string linux_name = to_linux(name);
    ASSERT_EQ(linux_name.find('/') != std::string::npos, first == '/') << first;
    ASSERT_EQ(linux_name.find('\0') != std::string::npos, first == 0) << first;
  }
}

TEST(NameTest, NoUnitTakesMoreThanThreeBytes) {
  for (unsigned unit = 0; unit < 0x10000; ++unit) {
    ASSERT_LE(to_linux(std::u16string(1, static_cast<char16_t>(unit))).size(), 3U) << unit;
  }
}

TEST(NameTest, ANameOf255BytesFits) {
  char16_t units[max_name_units];
  const std::string name(255, 'n');
  EXPECT_EQ(linux_to_image_name(name, units, max_name_units), 255U);
  EXPECT_EQ(std::u16string_view(units, 255), std::u16string(255, u'n'));
}

TEST(NameTest, ANameThatDoesNotFitIsReported) {
  char16_t units[4] = {u'-', u'-', u'-', u'-'};
  EXPECT_EQ(linux_to_image_name("abcd", units, 3), 4U);
  EXPECT_EQ(linux_to_image_name("ab\U0001F600", units, 3), 4U);  // half of a pair would fit
  EXPECT_EQ(units[3], u'-');
}

TEST(NameTest, PathsLoseWhatDoesNotNameAnything) {
  EXPECT_EQ(linux_to_image_path("usr/share/doc"), u"usr\\share\\doc");
  EXPECT_EQ(linux_to_image_path("//usr/./share///doc/."), u"usr\\share\\doc");
  EXPECT_EQ(linux_to_image_path("/"), u"");
  EXPECT_EQ(linux_to_image_path("."), u"");
  EXPECT_EQ(linux_to_image_path(""), u"");
}

TEST(NameTest, ABackslashInAPathIsPartOfAName) {
  EXPECT_EQ(linux_to_image_path("a/b\\c"), u"a\\b\uf05cc");
  EXPECT_EQ(image_to_linux_path(u"a\\b\uf05cc"), "a/b\\c");
}

TEST(NameTest, ImagePathsLoseALeadingBackslash) {
  EXPECT_EQ(image_to_linux_path(u"\\usr\\share"), "usr/share");
  EXPECT_EQ(image_to_linux_path(u""), "");
}

TEST(NameTest, PathsCannotGoUp) {
  EXPECT_EQ(path_error(".."), Errc::invalid_argument);
  EXPECT_EQ(path_error("a/../b"), Errc::invalid_argument);
  EXPECT_EQ(linux_to_image_path("..a/...b"), u"..a\\...b");
}

TEST(NameTest, PathsCannotHaveANul) {
  EXPECT_EQ(path_error(std::string_view("a\0b", 3)), Errc::invalid_argument);
}

TEST(NameTest, PathsKeepTheLimitsOfTheFormat) {
  const std::string longest_name(255, 'n');
  EXPECT_EQ(linux_to_image_path("a/" + longest_name).size(), 257U);
  EXPECT_EQ(path_error("a/" + longest_name + "n"), Errc::name_too_long);

  std::string path = longest_name;
  for (int i = 1; i < 128; ++i) {
    path += "/" + longest_name;
  }
  EXPECT_EQ(linux_to_image_path(path).size(), 32767U);
  EXPECT_EQ(path_error(path + "/n"), Errc::name_too_long);
}

TEST(NameTest, ALimitCountsUnitsAndNotBytes) {
  std::string name;
  for (int i = 0; i < 255; ++i) {
    name += "\u4f60";
  }
  EXPECT_EQ(linux_to_image_path(name).size(), 255U);
}

}  // namespace
}  // namespace cim
