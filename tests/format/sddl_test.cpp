// Security descriptors as text, and back.
#include "format/sddl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "damage.h"
#include "format/bytes.h"
#include "format/security_descriptor.h"
#include "format/sid.h"

namespace cim::format {
namespace {

using testing::HasSubstr;

Bytes from_hex(std::string_view digits) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(
        static_cast<std::byte>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// The example of [MS-DTYP] 2.5.1.4.
constexpr std::string_view documented_text =
    "O:BAG:BAD:P(A;CIOI;GRGX;;;BU)(A;CIOI;GA;;;BA)(A;CIOI;GA;;;SY)(A;CIOI;GA;;;CO)"
    "S:P(AU;FA;GR;;;WD)";
const Bytes documented = from_hex(
    "010014b090000000a00000001400000030000000"
    "02001c000100000002801400000000800101000000000001"
    "00000000"
    "020060000400000000031800000000a001020000000000052000000021020000"
    "000318000000001001020000000000052000000020020000"
    "0003140000000010010100000000000512000000"
    "0003140000000010010100000000000300000000"
    "01020000000000052000000020020000"
    "01020000000000052000000020020000");

// What BuildKit gives to the directories and files of Windows layers: owner and group come first.
constexpr std::string_view directory_text =
    "O:BAG:SYD:(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)(A;;FA;;;BA)(A;OICIIO;GA;;;CO)"
    "(A;OICI;0x1200a9;;;BU)(A;CI;LC;;;BU)(A;CI;DC;;;BU)";
const Bytes directory_descriptor = from_hex(
    "0100048014000000240000000000000030000000"
    "01020000000000052000000020020000"
    "010100000000000512000000"
    "0200a80007000000"
    "00031800ff011f0001020000000000052000000020020000"
    "00031400ff011f00010100000000000512000000"
    "00001800ff011f0001020000000000052000000020020000"
    "000b140000000010010100000000000300000000"
    "00031800a900120001020000000000052000000021020000"
    "000218000400000001020000000000052000000021020000"
    "000218000200000001020000000000052000000021020000");
constexpr std::string_view file_text = "O:BAG:SYD:(A;;FA;;;BA)(A;;FA;;;SY)(A;;0x1200a9;;;BU)";
const Bytes file_descriptor = from_hex(
    "0100048014000000240000000000000030000000"
    "01020000000000052000000020020000"
    "010100000000000512000000"
    "02004c0003000000"
    "00001800ff011f0001020000000000052000000020020000"
    "00001400ff011f00010100000000000512000000"
    "00001800a900120001020000000000052000000021020000");

std::string reprinted(std::string_view text) { return format_sddl(parse_sddl(text)); }

// The reason for which `text` is refused.
std::string refusal(std::string_view text) {
  try {
    parse_sddl(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_argument) << text;
    return error.what();
  }
  return "accepted";
}

// A descriptor whose DACL is the entry `ace`.
Bytes with_entry(const Bytes& ace) {
  Bytes bytes = from_hex("010004800000000000000000000000001400000002000000010000");
  bytes.push_back(std::byte{0});
  const auto size = static_cast<std::uint16_t>(sizeof(AclHeader) + ace.size());
  std::memcpy(bytes.data() + sizeof(DescriptorHeader) + 2, &size, sizeof(size));
  append(bytes, ace);
  return bytes;
}

TEST(SddlTest, ParsesTheDocumentedExampleToTheDocumentedBytes) {
  EXPECT_EQ(parse_sddl(documented_text), documented);
}

TEST(SddlTest, PrintsFlagsAndRightsInTheOrderOfWindows) {
  EXPECT_EQ(format_sddl(documented),
            "O:BAG:BAD:P(A;OICI;GXGR;;;BU)(A;OICI;GA;;;BA)(A;OICI;GA;;;SY)(A;OICI;GA;;;CO)"
            "S:P(AU;FA;GR;;;WD)");
}

TEST(SddlTest, PrintsTheDescriptorsOfLayers) {
  EXPECT_EQ(format_sddl(directory_descriptor), directory_text);
  EXPECT_EQ(format_sddl(file_descriptor), file_text);
}

// As Windows prints those of its own files, keys, services and directories.
TEST(SddlTest, PrintsWhatItParses) {
  for (const std::string_view text :
       {directory_text, file_text,
        std::string_view("O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
                         "G:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
                         "D:PAI(A;OICIIO;GA;;;CO)(A;OICIIO;GA;;;SY)(A;;0x1301bf;;;SY)"
                         "(A;OICIIO;GXGR;;;BU)(A;;0x1200a9;;;AC)(A;OICIIO;SDGXGWGR;;;AU)"
                         "S:AINO_ACCESS_CONTROL"),
        std::string_view("D:ARAI(A;CIID;KR;;;BU)(A;CIID;KA;;;BA)(D;NPIOID;KW;;;WD)"),
        std::string_view("D:(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)(A;;CCLCSWRPWPDTLOCRRC;;;IU)"
                         "S:(AU;SAFA;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;WD)"),
        std::string_view("O:BAG:SYD:P(A;;FR;;;AN)(A;;FW;;;AN)(A;;FX;;;AN)"),
        std::string_view("S:(ML;OICI;NW;;;HI)(ML;;NWNRNX;;;LW)(SP;;;;;S-1-17-1)"
                         "(TL;;0x1200a9;;;S-1-19-512-8192)(AL;CR;FA;;;PS)"),
        std::string_view("D:(OA;CI;RP;4c164200-20c0-11d0-a768-00aa006e0529;;RU)"
                         "(OD;;WP;;bf967aba-0de6-11d0-a285-00aa003049e2;RU)"
                         "(OA;;CR;4c164200-20c0-11d0-a768-00aa006e0529;"
                         "bf967aba-0de6-11d0-a285-00aa003049e2;ED)"
                         "S:(OU;CIIOIDSA;WP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;;WD)"
                         "(OL;;WP;f30e3bbe-9ff0-11d1-b603-0000f80367c1;;WD)"),
        std::string_view("O:S-1-5-21-1-2-4294967295-1001G:S-1-0x0123456789ab-1D:"),
        std::string_view("D:NO_ACCESS_CONTROL"), std::string_view("D:PNO_ACCESS_CONTROL"),
        std::string_view("D:S:"), std::string_view("")}) {
    EXPECT_EQ(reprinted(text), text);
    EXPECT_TRUE(is_valid_security_descriptor(parse_sddl(text))) << text;
  }
}

TEST(SddlTest, ANullDaclIsTheDescriptorThatLetsEverybodyDoEverything) {
  EXPECT_EQ(parse_sddl("D:NO_ACCESS_CONTROL"),
            to_bytes(std::as_bytes(std::span(open_security_descriptor))));
}

TEST(SddlTest, ReadsPartsInAnyOrderAndEitherCase) {
  EXPECT_EQ(parse_sddl("s:p(au;fa;gr;;;wd)D:P(A;CIOI;GRGX;;;BU)(A;CIOI;GA;;;BA)(A;CIOI;0X10000000;"
                       ";;sy)(A;CIOI;ga;;;S-1-3-0)g:baO:S-1-0x5-0x20-544"),
            documented);
}

TEST(SddlTest, ReadsNumbersOfEachBase) {
  EXPECT_EQ(reprinted("D:(A;;0x1200A9;;;SY)(A;;1179785;;;SY)(A;;010;;;SY)(A;;0;;;SY)"),
            "D:(A;;0x1200a9;;;SY)(A;;FR;;;SY)(A;;SW;;;SY)(A;;;;;SY)");
  EXPECT_EQ(reprinted("D:(A;;0xffffffff;;;SY)"), "D:(A;;0xffffffff;;;SY)");
}

TEST(SddlTest, ReadsEachOfTheRights) {
  EXPECT_EQ(reprinted("D:(A;;GAGRGWGX;;;SY)(A;;RCSDWDWO;;;SY)(A;;RPWPCCDCLCSWLODTCR;;;SY)"
                      "(A;;FRFWFX;;;SY)(A;;KRKWKX;;;SY)(A;;FAKA;;;SY)"),
            "D:(A;;GAGXGWGR;;;SY)(A;;SDRCWDWO;;;SY)(A;;CCDCLCSWRPWPDTLOCR;;;SY)"
            "(A;;0x1201bf;;;SY)(A;;CCDCLCSWRPRC;;;SY)(A;;FA;;;SY)");
  EXPECT_EQ(reprinted("D:(A;;KX;;;SY)"), "D:(A;;KR;;;SY)");
}

// Windows says so of this type of entry.
TEST(SddlTest, AnObjectEntryWithoutObjectsIsAnOrdinaryOne) {
  EXPECT_EQ(reprinted("D:(OA;;RP;;;SY)"), "D:(A;;RP;;;SY)");
  EXPECT_EQ(reprinted("D:(OD;;RP;;;SY)"), "D:(OD;;RP;;;SY)");
}

TEST(SddlTest, EveryAliasIsPrintedForItsSid) {
  for (const char* alias :
       {"AA", "AC", "AN", "AO", "AS", "AU", "BA", "BG", "BO", "BU", "CD", "CG", "CO",
        "CY", "ED", "ER", "ES", "HA", "HI", "HO", "IS", "IU", "LS", "LU", "LW", "ME",
        "MP", "MS", "MU", "NO", "NS", "NU", "OW", "PO", "PS", "PU", "RA", "RC", "RD",
        "RE", "RM", "RU", "SH", "SI", "SO", "SS", "SU", "SY", "UD", "WD", "WR"}) {
    EXPECT_EQ(format_sid(parse_sid(alias)), alias);
    EXPECT_NE(account_name(parse_sid(alias)), "") << alias;
  }
}

TEST(SddlTest, AccountsThatAreTheSameOnEveryWindowsHaveTheirNames) {
  EXPECT_EQ(account_name(parse_sid("BA")), "BUILTIN\\Administrators");
  EXPECT_EQ(account_name(parse_sid("S-1-5-18")), "NT AUTHORITY\\SYSTEM");
  EXPECT_EQ(
      account_name(parse_sid("S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464")),
      "NT SERVICE\\TrustedInstaller");
  EXPECT_EQ(account_name(parse_sid("S-1-5-21-1-2-3-500")), "");
  EXPECT_EQ(sid_text(parse_sid("BA")), "S-1-5-32-544");
}

TEST(SddlTest, AliasesOfADomainAreRefused) {
  for (const char* alias : {"AP", "CA", "CN", "DA", "DC", "DD", "DG", "DU", "EA", "EK", "KA", "LA",
                            "LG", "PA", "RO", "RS", "SA"}) {
    EXPECT_EQ(
        refusal(std::string("O:") + alias),
        std::string(alias) + " is an account of a domain: give its SID (S-1-5-21-...) instead");
  }
}

TEST(SddlTest, EntriesWithConditionsAndAttributesAreRefused) {
  for (const char* text :
       {"D:(XA;;FX;;;WD;(@User.Title==\"PM\"))", "D:(XD;;FX;;;WD;(WIN://SYSAPPID Contains \"a\"))",
        "D:(ZA;;FX;;;WD;(a))", "S:(XU;;FX;;;WD;(a))", "S:(RA;CI;;;;WD;(\"a\",TS,0,\"b\"))",
        "S:(FL;;FX;;;WD;(a))"}) {
    EXPECT_EQ(refusal(text), "access control entries of type " + std::string(text).substr(3, 2) +
                                 ", with a condition or an attribute, are not supported");
  }
}

TEST(SddlTest, ARefusalSaysWhatIsWrong) {
  const std::pair<const char*, const char*> texts[] = {
      {"BA", "O:, G:, D: or S: is expected at \"BA\""},
      {"X:", "X: is none of O:, G:, D: and S:"},
      {"O:BAO:BA", "there are two O:"},
      {"D:D:", "there are two D:"},
      {"O:", "a SID is missing"},
      {"O:G:BA", "a SID is missing"},
      {"O::", "a SID is missing"},
      {"O:XY", "\"XY\" is no SID"},
      {"O:BAX", "\"BAX\" is no SID"},
      {"O:S-1-", "\"S-1-\" is no SID"},
      {"O:S-2-5-18", "\"S-2-5-18\" is no SID"},
      {"O:S-1-5-", "\"S-1-5-\" is no SID"},
      {"O:S-1-5-4294967296", "is no SID"},
      {"O:S-1-0x1000000000000-1", "is no SID"},
      {"O:S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16", "is no SID"},
      {"O:S-1-5--1", "is no SID"},
      {"O:S-1-5-18 ", "is no SID"},
      {"D:X(A;;GA;;;SY)", "\"X(A;;GA;;;SY)\" is neither a flag of an access control list nor an"},
      {"D:(A;;GA;;;SY", "the access control entry \"(A;;GA;;;SY\" has no end"},
      {"D:(A;;GA;;;SY))", "O:, G:, D: or S: is expected at \")\""},
      {"D:(A;;GA;;SY)", "the access control entry \"A;;GA;;SY\" has fewer than six fields"},
      {"D:(A;;GA;;;SY;1)", "\"SY;1\" is no SID"},
      {"D:()", "\"\" is not a type of access control entry"},
      {"D:(B;;GA;;;SY)", "\"B\" is not a type of access control entry"},
      {"D:(A;OIXX;GA;;;SY)", "\"XX\" of the flags \"OIXX\" is not known"},
      {"D:(A;O;GA;;;SY)", "\"O\" of the flags \"O\" is not known"},
      {"D:(A;;GAQQ;;;SY)", "\"QQ\" of the rights \"GAQQ\" is not known"},
      {"D:(A;;GA0x1;;;SY)", "of the rights \"GA0X1\" is not known"},
      {"D:(A;;0x;;;SY)", "the rights \"0X\" are not a number of 32 bits"},
      {"D:(A;;08;;;SY)", "the rights \"08\" are not a number of 32 bits"},
      {"D:(A;;0x100000000;;;SY)", "are not a number of 32 bits"},
      {"D:(A;;GA;4c164200-20c0-11d0-a768-00aa006e0529;;SY)",
       "an access control entry of type A has no GUIDs"},
      {"D:(OA;;GA;4c164200;;SY)", "\"4C164200\" is not a GUID"},
      {"D:NO_ACCESS_CONTROL(A;;GA;;;SY)", "NO_ACCESS_CONTROL is followed by an entry"},
      {"D:(A;;GA;;;)", "a SID is missing"},
  };
  for (const auto& [text, reason] : texts) EXPECT_THAT(refusal(text), HasSubstr(reason)) << text;
}

TEST(SddlTest, WhatNoDescriptorCanHoldIsRefused) {
  std::string acl = "D:";
  for (int i = 0; i < (65535 - 28) / 20; ++i) acl += "(A;;GA;;;SY)";
  EXPECT_EQ(refusal(acl), "accepted");
  EXPECT_THAT(refusal(acl + "(A;;GA;;;SY)"), HasSubstr("takes more than 65535 bytes"));
  EXPECT_THAT(refusal(acl + "S:(AU;;GA;;;SY)"), HasSubstr("takes more than 65535 bytes"));
}

TEST(SddlTest, ALongTextIsQuotedInPart) {
  EXPECT_LT(refusal("O:S-1-" + std::string(100000, 'x')).size(), 100U);
  EXPECT_LT(refusal("D:(A;" + std::string(100000, 'x') + ";;;;SY)").size(), 200U);
}

TEST(SddlTest, AnUnknownEntryIsNotPrinted) {
  for (const int type : {4, 9, 0x12, 0x7F, 0xFF}) {
    Bytes ace = from_hex("00031400ff011f00010100000000000512000000");
    ace[0] = static_cast<std::byte>(type);
    try {
      format_sddl(with_entry(ace));
      ADD_FAILURE() << type;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::unsupported) << type;
    }
  }
}

TEST(SddlTest, AnEntryThatIsTooShortForItsTypeIsCorrupt) {
  // No rights; no SID; a SID that reaches past the entry; no room for the GUID.
  for (const char* ace : {"00000400", "00000800ff011f00", "00001000ff011f000101000000000005",
                          "05001800ff011f0001000000010100000000000512000000"}) {
    const Bytes descriptor = with_entry(from_hex(ace));
    EXPECT_TRUE(is_valid_security_descriptor(descriptor)) << ace;
    EXPECT_TRUE(is_corrupt([&] { format_sddl(descriptor); })) << ace;
  }
}

TEST(SddlTest, ADescriptorCutOffAnywhereIsCorrupt) {
  for (const Bytes& descriptor : {documented, directory_descriptor, file_descriptor}) {
    for_each_prefix(descriptor, [](const Bytes& bytes) {
      EXPECT_TRUE(is_corrupt([&] { format_sddl(bytes); })) << bytes.size();
    });
  }
}

// What can be printed of a damaged descriptor can be parsed; a sanitizer sees reads past its end.
TEST(SddlTest, EveryTextOfADamagedDescriptorIsOneOfADescriptor) {
  const Bytes with_objects =
      parse_sddl("O:WDG:WDD:(OA;CI;RP;4c164200-20c0-11d0-a768-00aa006e0529;;RU)S:(ML;;NW;;;HI)");
  std::size_t printed = 0;
  for (const Bytes& descriptor : {documented, with_objects}) {
    for_each_changed_field(descriptor, [&](const Bytes& bytes) {
      std::string text;
      try {
        text = format_sddl(bytes);
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Errc::corrupt || error.code() == Errc::unsupported);
        return;
      }
      ++printed;
      EXPECT_EQ(reprinted(reprinted(text)), reprinted(text));
    });
  }
  EXPECT_GT(printed, 0U);
}

}  // namespace
}  // namespace cim::format
