// Names between Linux and images.
#include <random>
#include <string>
#include <utility>

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

TEST(NameTest, ImageNamesThatTheRulesDoNotReachAreEscaped) {
  expect_mapping("\ufdd0a:b", u"a:b");
  expect_mapping("\ufdd0\x01\x1f\"*<>?|", u"\x01\x1f\"*<>?|");
  expect_mapping("\ufdd0\xed\xa0\x80", {0xD800});
  expect_mapping("\ufdd0\xed\xa0\x80x", {0xD800, u'x'});
  expect_mapping("\ufdd0\xed\xb0\x80", {0xDC00});
  expect_mapping("\ufdd0\xed\xbf\xbf\xed\xa0\x80", {0xDFFF, 0xD800});
  // Together these bytes would be U+00E9, and after U+D800 the first is half of a pair.
  expect_mapping("\ufdd0\xed\xb3\x83\xed\xb2\xa9", {0xDCC3, 0xDCA9});
  expect_mapping("\U000100C3\xa9", {0xD800, 0xDCC3, 0xDCA9});
  // A single character that the rules make does not need it.
  expect_mapping("\ufdd0\uf03a:", u"\uf03a:");
  expect_mapping("\ufdd0:\xf0\x9f\x98\x80", u":\U0001F600");
}

TEST(NameTest, NamesThatOnlyLookEscapedFollowTheRules) {
  expect_mapping("\ufdd0", u"\ufdd0");
  expect_mapping("\ufdd0.", u"\ufdd0.");
  expect_mapping("\ufdd0text", u"\ufdd0text");
  expect_mapping("a\ufdd0:", u"a\ufdd0\uf03a");
  expect_mapping("\ufdd0\uf03a", {0xFDD0, 0xDCEF, 0xDC80, 0xDCBA});
  expect_mapping("\ufdd0:\\", u"\ufdd0\uf03a\uf05c");  // a `\` would be in a path
  expect_mapping("\ufdd0:\x80", {0xFDD0, 0xF03A, 0xDC80});
  expect_mapping("\ufdd0:\xed\xa0\x80\xed\xb0\x80",  // a pair is not written in halves
                 {0xFDD0, 0xF03A, 0xDCED, 0xDCA0, 0xDC80, 0xDCED, 0xDCB0, 0xDC80});
}

TEST(NameTest, NamesWhoseLinuxNameIsTakenByAnotherAreEscapedInTurn) {
  expect_mapping("\ufdd0:", u":");
  expect_mapping("\ufdd0\ufdd0\uf03a", u"\ufdd0\uf03a");
  expect_mapping("\ufdd0\ufdd0:", u"\ufdd0:");
  expect_mapping("\ufdd0\ufdd0\ufdd0\uf03a", u"\ufdd0\ufdd0\uf03a");
}

// Units that the mapping treats in a special way, alone or next to another.
constexpr char16_t units_of_interest[] = {
    u'.',   u'a',   u'\x01', u':',   u'|',   0x7F,   0x80,   0xE9,   0xD7FF, 0xD800, 0xD83D, 0xDBFF,
    0xDC00, 0xDC01, 0xDC7F,  0xDC80, 0xDC9C, 0xDCA9, 0xDCBA, 0xDCBF, 0xDCC3, 0xDCED, 0xDCEF, 0xDCF0,
    0xDCFF, 0xDD00, 0xDFFF,  0xE000, 0xF000, 0xF001, 0xF03A, 0xF07C, 0xF0FF, 0xFDD0, 0xFFFF};

TEST(NameTest, EveryUnitComesBackTheSameAloneAndBesideOthers) {
  std::u16string name;
  const auto expect_return = [&name](std::u16string_view units) {
    name = units;
    ASSERT_EQ(to_image(to_linux(name)), name);
  };
  for (unsigned unit = 1; unit < 0x10000; ++unit) {
    if (unit == u'/' || unit == u'\\') continue;
    const auto each = static_cast<char16_t>(unit);
    ASSERT_NO_FATAL_FAILURE(expect_return({&each, 1})) << unit;
    for (const char16_t other : units_of_interest) {
      const char16_t pairs[] = {each, other, each};
      ASSERT_NO_FATAL_FAILURE(expect_return({pairs, 2})) << unit << ' ' << unsigned{other};
      ASSERT_NO_FATAL_FAILURE(expect_return({pairs + 1, 2})) << unsigned{other} << ' ' << unit;
    }
  }
}

TEST(NameTest, EveryImageNameComesBackTheSame) {
  std::mt19937 random(3);
  for (int i = 0; i < 200000; ++i) {
    std::u16string name(random() % 8 + 1, u'\0');
    for (char16_t& unit : name) unit = units_of_interest[random() % std::size(units_of_interest)];
    name.insert(0, random() % 4, u'\ufdd0');
    const std::string linux_name = to_linux(name);
    ASSERT_EQ(to_image(linux_name), name);
    ASSERT_LE(linux_name.size(), 3 * name.size() + 3);
    ASSERT_EQ(linux_name.find('/'), std::string::npos);
  }
}

TEST(NameTest, TheLongestImageNamesComeBackTheSame) {
  for (const char16_t unit : units_of_interest) {
    std::u16string name(max_name_units, unit);
    for (const char16_t last : units_of_interest) {
      name.back() = last;
      EXPECT_EQ(to_image(to_linux(name)), name) << unsigned{unit} << ' ' << unsigned{last};
    }
  }
  EXPECT_EQ(to_linux(std::u16string(max_name_units, u'\xD800')).size(), max_name_bytes);
}

// Names of random bytes, most of them where encodings and escapes meet.
class RandomNames {
 public:
  explicit RandomNames(std::string start = {}) : start_(std::move(start)) {}

  std::string next() {
    static constexpr std::string_view pieces[] = {
        "a",    "\\",     ":",      "\x01",   "\x80",   "\x9c",   "\xbf",
        "\xc2", "\xe4",   "\xed",   "\xa0",   "\xef",   "\xf0",   "\xf4",
        "\xff", "\u00e9", "\uf05c", "\uf02f", "\uf000", "\uffff", "\U0001F600"};
    std::string name = start_;
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
  const std::string start_;
  std::mt19937 random_{2};
};

TEST(NameTest, EveryStringOfBytesComesBackTheSame) {
  for (const char* start : {"", "\ufdd0", "\ufdd0\ufdd0", "\ufdd0\xed\xb3\xaf", "\ufdd0\uf03a"}) {
    RandomNames names(start);
    for (int i = 0; i < 50000; ++i) {
      const std::string name = names.next();
      const std::u16string image_name = to_image(name);
      ASSERT_EQ(to_linux(image_name), name);
      ASSERT_LE(image_name.size(), name.size());
    }
  }
}

// Escaped names have pieces of WTF-8, which random bytes seldom form.
TEST(NameTest, EveryEscapedNameAndWhatIsLikeOneComesBackTheSame) {
  static constexpr std::string_view pieces[] = {"\ufdd0",
                                                ":",
                                                "\x01",
                                                "a",
                                                "\xed\xa0\x80",
                                                "\xed\xb3\x83",
                                                "\xed\xb2\xa9",
                                                "\xed\xb3\xaf",
                                                "\xed\xb2\x80",
                                                "\uf03a",
                                                "\u00e9",
                                                "\U0001F600",
                                                "\x80",
                                                "\xed",
                                                "\\"};
  std::mt19937 random(4);
  for (int i = 0; i < 200000; ++i) {
    std::string name = "\ufdd0";
    for (auto count = random() % 8; count > 0; --count) {
      name += pieces[random() % std::size(pieces)];
    }
    ASSERT_EQ(to_linux(to_image(name)), name);
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

TEST(NameTest, ANameOf255BytesFits) {
  char16_t units[max_name_units];
  const std::string name(255, 'n');
  EXPECT_EQ(linux_to_image_name(name, units, max_name_units), 255U);
  EXPECT_EQ(std::u16string_view(units, 255), std::u16string(255, u'n'));
}

TEST(NameTest, ANameThatDoesNotFitIsReported) {
  char16_t units[4] = {u'-', u'-', u'-', u'-'};
  EXPECT_EQ(linux_to_image_name("\ufdd0a:bc", units, 3), 4U);
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
