// Security identifiers as bytes, text, aliases and names.
#include "format/sid.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/security_descriptor.h"

namespace cim::format {
namespace {

constexpr std::uint64_t max_authority = (std::uint64_t{1} << 48) - 1;
constexpr std::uint64_t max_decimal_authority = 0xFFFFFFFF;  // larger ones are hexadecimal

struct WellKnownSid {
  std::string_view sid;
  std::string_view alias;  // in SDDL; empty: none
  std::string_view account;
};

constexpr WellKnownSid well_known_sids[] = {
    {"S-1-1-0", "WD", "Everyone"},
    {"S-1-3-0", "CO", "CREATOR OWNER"},
    {"S-1-3-1", "CG", "CREATOR GROUP"},
    {"S-1-3-4", "OW", "OWNER RIGHTS"},
    {"S-1-5-2", "NU", "NT AUTHORITY\\NETWORK"},
    {"S-1-5-4", "IU", "NT AUTHORITY\\INTERACTIVE"},
    {"S-1-5-6", "SU", "NT AUTHORITY\\SERVICE"},
    {"S-1-5-7", "AN", "NT AUTHORITY\\ANONYMOUS LOGON"},
    {"S-1-5-9", "ED", "NT AUTHORITY\\ENTERPRISE DOMAIN CONTROLLERS"},
    {"S-1-5-10", "PS", "NT AUTHORITY\\SELF"},
    {"S-1-5-11", "AU", "NT AUTHORITY\\Authenticated Users"},
    {"S-1-5-12", "RC", "NT AUTHORITY\\RESTRICTED"},
    {"S-1-5-18", "SY", "NT AUTHORITY\\SYSTEM"},
    {"S-1-5-19", "LS", "NT AUTHORITY\\LOCAL SERVICE"},
    {"S-1-5-20", "NS", "NT AUTHORITY\\NETWORK SERVICE"},
    {"S-1-5-32-544", "BA", "BUILTIN\\Administrators"},
    {"S-1-5-32-545", "BU", "BUILTIN\\Users"},
    {"S-1-5-32-546", "BG", "BUILTIN\\Guests"},
    {"S-1-5-32-547", "PU", "BUILTIN\\Power Users"},
    {"S-1-5-32-548", "AO", "BUILTIN\\Account Operators"},
    {"S-1-5-32-549", "SO", "BUILTIN\\Server Operators"},
    {"S-1-5-32-550", "PO", "BUILTIN\\Print Operators"},
    {"S-1-5-32-551", "BO", "BUILTIN\\Backup Operators"},
    {"S-1-5-32-552", "RE", "BUILTIN\\Replicator"},
    {"S-1-5-32-554", "RU", "BUILTIN\\Pre-Windows 2000 Compatible Access"},
    {"S-1-5-32-555", "RD", "BUILTIN\\Remote Desktop Users"},
    {"S-1-5-32-556", "NO", "BUILTIN\\Network Configuration Operators"},
    {"S-1-5-32-558", "MU", "BUILTIN\\Performance Monitor Users"},
    {"S-1-5-32-559", "LU", "BUILTIN\\Performance Log Users"},
    {"S-1-5-32-568", "IS", "BUILTIN\\IIS_IUSRS"},
    {"S-1-5-32-569", "CY", "BUILTIN\\Cryptographic Operators"},
    {"S-1-5-32-573", "ER", "BUILTIN\\Event Log Readers"},
    {"S-1-5-32-574", "CD", "BUILTIN\\Certificate Service DCOM Access"},
    {"S-1-5-32-575", "RA", "BUILTIN\\RDS Remote Access Servers"},
    {"S-1-5-32-576", "ES", "BUILTIN\\RDS Endpoint Servers"},
    {"S-1-5-32-577", "MS", "BUILTIN\\RDS Management Servers"},
    {"S-1-5-32-578", "HA", "BUILTIN\\Hyper-V Administrators"},
    {"S-1-5-32-579", "AA", "BUILTIN\\Access Control Assistance Operators"},
    {"S-1-5-32-580", "RM", "BUILTIN\\Remote Management Users"},
    {"S-1-5-32-584", "HO", "BUILTIN\\User Mode Hardware Operators"},
    {"S-1-5-32-585", "SH", "BUILTIN\\OpenSSH Users"},
    {"S-1-5-33", "WR", "NT AUTHORITY\\WRITE RESTRICTED"},
    {"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464", "",
     "NT SERVICE\\TrustedInstaller"},
    {"S-1-5-84-0-0-0-0-0", "UD", "NT AUTHORITY\\USER MODE DRIVERS"},
    {"S-1-5-93-2-1", "", "User Manager\\ContainerAdministrator"},
    {"S-1-5-93-2-2", "", "User Manager\\ContainerUser"},
    {"S-1-15-2-1", "AC", "APPLICATION PACKAGE AUTHORITY\\ALL APPLICATION PACKAGES"},
    {"S-1-15-2-2", "", "APPLICATION PACKAGE AUTHORITY\\ALL RESTRICTED APPLICATION PACKAGES"},
    {"S-1-16-4096", "LW", "Mandatory Label\\Low Mandatory Level"},
    {"S-1-16-8192", "ME", "Mandatory Label\\Medium Mandatory Level"},
    {"S-1-16-8448", "MP", "Mandatory Label\\Medium Plus Mandatory Level"},
    {"S-1-16-12288", "HI", "Mandatory Label\\High Mandatory Level"},
    {"S-1-16-16384", "SI", "Mandatory Label\\System Mandatory Level"},
    {"S-1-18-1", "AS", "Authentication authority asserted identity"},
    {"S-1-18-2", "SS", "Service asserted identity"},
};

// Aliases of accounts whose SIDs begin with that of a domain, or of a computer.
constexpr std::string_view domain_aliases[] = {"AP", "CA", "CN", "DA", "DC", "DD", "DG", "DU", "EA",
                                               "EK", "KA", "LA", "LG", "PA", "RO", "RS", "SA"};

const WellKnownSid* find_well_known(std::string_view WellKnownSid::*field, std::string_view value) {
  const auto found = std::ranges::find(well_known_sids, value, field);
  return found == std::ranges::end(well_known_sids) ? nullptr : &*found;
}

// The decimal number, or hexadecimal after 0X, that `text` is; nothing if it is none.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  const bool is_hexadecimal = text.starts_with("0X");
  if (is_hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value, is_hexadecimal ? 16 : 10);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return value;
}

// Takes the next number off `rest`, which has numbers with a dash before each.
std::optional<std::uint64_t> take_number(std::string_view& rest) {
  if (!rest.starts_with('-')) return std::nullopt;
  rest.remove_prefix(1);
  const std::string_view number = rest.substr(0, rest.find('-'));
  rest.remove_prefix(number.size());
  return parse_number(number);
}

// The SID whose numbers, after "S-1", are `numbers`; nothing if they are none.
std::optional<std::vector<std::byte>> parse_numbers(std::string_view numbers) {
  const auto authority = take_number(numbers);
  if (!authority || *authority > max_authority) return std::nullopt;
  SidHeader header = {.revision = sid_revision, .sub_authority_count = 0, .authority = {}};
  for (std::size_t i = 0; i < std::size(header.authority); ++i) {
    header.authority[i] = static_cast<std::uint8_t>(*authority >> (40 - 8 * i));
  }
  std::vector<std::byte> sub_authorities;
  for (; !numbers.empty(); ++header.sub_authority_count) {
    const auto value = take_number(numbers);
    if (!value || *value > 0xFFFFFFFF || header.sub_authority_count == max_sub_authorities) {
      return std::nullopt;
    }
    append(sub_authorities, bytes_of(static_cast<std::uint32_t>(*value)));
  }
  std::vector<std::byte> sid;
  append(sid, bytes_of(header));
  append(sid, sub_authorities);
  return sid;
}

}  // namespace

ByteView leading_sid(ByteView bytes) {
  const auto header = load<SidHeader>(bytes, 0, "SID");
  if (header.revision != sid_revision || header.sub_authority_count > max_sub_authorities) {
    const unsigned revision = header.revision;
    const unsigned count = header.sub_authority_count;
    throw Error(Errc::corrupt,
                fmt::format("SID has revision {} and {} sub-authorities", revision, count));
  }
  return slice(bytes, 0, sizeof(header) + header.sub_authority_count * sizeof(std::uint32_t),
               "SID");
}

std::string sid_text(ByteView sid) {
  const auto header = load<SidHeader>(sid, 0, "SID");
  std::uint64_t authority = 0;
  for (const std::uint8_t byte : header.authority) authority = authority << 8 | byte;
  std::string text = authority <= max_decimal_authority ? fmt::format("S-1-{}", authority)
                                                        : fmt::format("S-1-0x{:012x}", authority);
  for (std::size_t i = 0; i < header.sub_authority_count; ++i) {
    const auto value =
        load<std::uint32_t>(sid, sizeof(header) + i * sizeof(std::uint32_t), "sub-authority");
    text += fmt::format("-{}", value);
  }
  return text;
}

std::string format_sid(ByteView sid) {
  std::string text = sid_text(sid);
  const WellKnownSid* known = find_well_known(&WellKnownSid::sid, text);
  return known != nullptr && !known->alias.empty() ? std::string(known->alias) : text;
}

std::string_view account_name(ByteView sid) {
  const WellKnownSid* known = find_well_known(&WellKnownSid::sid, sid_text(sid));
  return known != nullptr ? known->account : std::string_view();
}

std::vector<std::byte> parse_sid(std::string_view text) {
  if (text.empty()) throw Error(Errc::invalid_argument, "a SID is missing");
  if (const WellKnownSid* known = find_well_known(&WellKnownSid::alias, text)) text = known->sid;
  if (std::ranges::find(domain_aliases, text) != std::ranges::end(domain_aliases)) {
    throw Error(
        Errc::invalid_argument,
        fmt::format("{} is an account of a domain: give its SID (S-1-5-21-...) instead", text));
  }
  auto sid = text.starts_with("S-1-") ? parse_numbers(text.substr(3)) : std::nullopt;
  if (!sid)
    throw Error(Errc::invalid_argument, fmt::format("\"{}\" is no SID", text.substr(0, 60)));
  return *std::move(sid);
}

}  // namespace cim::format
