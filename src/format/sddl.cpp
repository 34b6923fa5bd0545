// Security descriptors as SDDL.
#include "format/sddl.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/guid.h"
#include "format/security_descriptor.h"
#include "format/sid.h"

namespace cim::format {
namespace {

// What follows the header of an entry.
enum class Layout {
  plain,      // rights, SID
  object,     // rights, flags, the GUIDs that these announce, SID
  elaborate,  // something with conditions or attributes, which we do not know
};

struct AceType {
  std::uint8_t value;
  std::string_view name;
  Layout layout = Layout::plain;
};

constexpr std::uint8_t access_allowed = 0;
constexpr std::uint8_t access_allowed_object = 5;
constexpr std::uint8_t mandatory_label = 0x11;

constexpr AceType ace_types[] = {
    {access_allowed, "A"},
    {1, "D"},
    {2, "AU"},
    {3, "AL"},
    {access_allowed_object, "OA", Layout::object},
    {6, "OD", Layout::object},
    {7, "OU", Layout::object},
    {8, "OL", Layout::object},
    {9, "XA", Layout::elaborate},
    {0x0A, "XD", Layout::elaborate},
    {0x0B, "ZA", Layout::elaborate},
    {0x0D, "XU", Layout::elaborate},
    {mandatory_label, "ML"},
    {0x12, "RA", Layout::elaborate},
    {0x13, "SP"},
    {0x14, "TL"},
    {0x15, "FL", Layout::elaborate},
};

// Letters that stand for bits.
struct Code {
  std::string_view letters;
  std::uint32_t bits;
};

// In the order in which they are written; of two for the same bit, the first is.
constexpr Code ace_flags[] = {{"OI", 0x01}, {"CI", 0x02}, {"NP", 0x04}, {"IO", 0x08}, {"ID", 0x10},
                              {"CR", 0x20}, {"SA", 0x40}, {"TP", 0x40}, {"FA", 0x80}};

// Rights that are written only if nothing else is granted; of two for the same, the first.
constexpr Code whole_rights[] = {{"FA", 0x001F01FF}, {"FR", 0x00120089}, {"FW", 0x00120116},
                                 {"FX", 0x001200A0}, {"KA", 0x000F003F}, {"KR", 0x00020019},
                                 {"KW", 0x00020006}, {"KX", 0x00020019}};

constexpr Code single_rights[] = {{"CC", 0x00000001}, {"DC", 0x00000002}, {"LC", 0x00000004},
                                  {"SW", 0x00000008}, {"RP", 0x00000010}, {"WP", 0x00000020},
                                  {"DT", 0x00000040}, {"LO", 0x00000080}, {"CR", 0x00000100},
                                  {"SD", 0x00010000}, {"RC", 0x00020000}, {"WD", 0x00040000},
                                  {"WO", 0x00080000}, {"GA", 0x10000000}, {"GX", 0x20000000},
                                  {"GW", 0x40000000}, {"GR", 0x80000000}};

// The rights of mandatory labels.
constexpr Code label_rights[] = {{"NW", 0x1}, {"NR", 0x2}, {"NX", 0x4}};

// How an access control list says that it is NULL: everybody may do everything.
constexpr std::string_view null_acl = "NO_ACCESS_CONTROL";

// The two lists of a descriptor.
struct AclKind {
  char letter;
  std::uint16_t present;
  std::array<Code, 3> flags;
};

constexpr AclKind dacl_kind = {'D',
                               descriptor_control::dacl_present,
                               {{{"P", descriptor_control::dacl_protected},
                                 {"AR", descriptor_control::dacl_auto_inherit_required},
                                 {"AI", descriptor_control::dacl_auto_inherited}}}};
constexpr AclKind sacl_kind = {'S',
                               descriptor_control::sacl_present,
                               {{{"P", descriptor_control::sacl_protected},
                                 {"AR", descriptor_control::sacl_auto_inherit_required},
                                 {"AI", descriptor_control::sacl_auto_inherited}}}};

// Which GUIDs an object entry has.
constexpr std::uint32_t object_type_present = 1;
constexpr std::uint32_t inherited_object_type_present = 2;

// The letters for `bits`; nothing if `codes` do not cover them.
std::optional<std::string> letters_for(std::uint32_t bits, std::span<const Code> codes) {
  std::string letters;
  for (const Code& code : codes) {
    if ((bits & code.bits) == 0) continue;
    letters += code.letters;
    bits &= ~code.bits;
  }
  return bits == 0 ? std::optional(letters) : std::nullopt;
}

std::string unsupported_type(const AceType& type) {
  return fmt::format(
      "access control entries of type {}, with a condition or an attribute, are not supported",
      type.name);
}

// Writing.

std::string format_rights(std::uint32_t rights, std::uint8_t type) {
  const auto whole = std::ranges::find(whole_rights, rights, &Code::bits);
  if (type != mandatory_label && whole != std::ranges::end(whole_rights)) {
    return std::string(whole->letters);
  }
  const auto letters = type == mandatory_label ? letters_for(rights, label_rights)
                                               : letters_for(rights, single_rights);
  return letters ? *letters : fmt::format("0x{:x}", rights);
}

// Reads an entry from front to back.
class AceFields {
 public:
  explicit AceFields(ByteView ace) : rest_(ace) {}

  template <typename T>
  T take() {
    const T value = load<T>(rest_, 0, "field of an access control entry");
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  ByteView rest() const noexcept { return rest_; }

 private:
  ByteView rest_;
};

const AceType& ace_type(std::uint8_t value) {
  const auto type = std::ranges::find(ace_types, value, &AceType::value);
  if (type == std::ranges::end(ace_types)) {
    throw Error(Errc::unsupported,
                fmt::format("access control entries of type {} have no text", value));
  }
  if (type->layout == Layout::elaborate) {
    throw Error(Errc::unsupported, unsupported_type(*type));
  }
  return *type;
}

std::string format_ace(ByteView ace) {
  AceFields fields(ace);
  const auto header = fields.take<AceHeader>();
  const AceType& type = ace_type(header.type);
  const auto rights = fields.take<std::uint32_t>();
  std::string object_type;
  std::string inherited_object_type;
  if (type.layout == Layout::object) {
    const auto present = fields.take<std::uint32_t>();
    if (present & object_type_present) object_type = to_string(fields.take<Guid>());
    if (present & inherited_object_type_present) {
      inherited_object_type = to_string(fields.take<Guid>());
    }
  }
  return fmt::format("({};{};{};{};{};{})", type.name, *letters_for(header.flags, ace_flags),
                     format_rights(rights, type.value), object_type, inherited_object_type,
                     format_sid(leading_sid(fields.rest())));
}

std::string format_acl(const std::optional<ByteView>& acl, std::uint16_t control,
                       const AclKind& kind) {
  if ((control & kind.present) == 0) return {};
  std::string text = {kind.letter, ':'};
  for (const Code& flag : kind.flags) {
    if ((control & flag.bits) != 0) text += flag.letters;
  }
  if (!acl) return text.append(null_acl);
  AceReader entries(*acl);
  while (const auto ace = entries.next()) text += format_ace(*ace);
  return text;
}

// Parsing.

[[noreturn]] void refuse(const std::string& reason) { throw Error(Errc::invalid_argument, reason); }

// `text` as it appears in a message.
std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text.substr(0, 60)); }

// The bits that the letters of `text`, which are all in pairs, stand for. `what` names them.
std::uint32_t parse_letters(std::string_view text,
                            std::initializer_list<std::span<const Code>> tables, const char* what) {
  std::uint32_t bits = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view letters = rest.substr(0, 2);
    rest.remove_prefix(letters.size());
    const Code* found = nullptr;
    for (const std::span<const Code> codes : tables) {
      const auto code = std::ranges::find(codes, letters, &Code::letters);
      if (code != codes.end()) found = &*code;
    }
    if (found == nullptr) {
      refuse(fmt::format("{} of the {} {} is not known", quoted(letters), what, quoted(text)));
    }
    bits |= found->bits;
  }
  return bits;
}

// The hexadecimal number after 0X, octal after 0, or decimal one that `text` is.
std::uint32_t parse_rights_number(std::string_view text) {
  std::string_view digits = text;
  int base = 10;
  if (digits.starts_with("0X")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.starts_with('0')) {
    base = 8;
  }
  std::uint32_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data(), end, value, base);
  if (error != std::errc() || parsed != end) {
    refuse(fmt::format("the rights {} are not a number of 32 bits", quoted(text)));
  }
  return value;
}

std::uint32_t parse_rights(std::string_view text) {
  if (!text.empty() && text[0] >= '0' && text[0] <= '9') return parse_rights_number(text);
  return parse_letters(text, {single_rights, whole_rights, label_rights}, "rights");
}

const AceType& parse_ace_type(std::string_view name) {
  const auto type = std::ranges::find(ace_types, name, &AceType::name);
  if (type == std::ranges::end(ace_types)) {
    refuse(fmt::format("{} is not a type of access control entry", quoted(name)));
  }
  if (type->layout == Layout::elaborate) {
    refuse(unsupported_type(*type));
  }
  return *type;
}

Guid parse_object_guid(std::string_view text) {
  const auto guid = parse_guid(text);
  if (!guid) refuse(fmt::format("{} is not a GUID", quoted(text)));
  return *guid;
}

// The first `count` parts of `text` between semicolons; those that it lacks are not in the result,
// and what follows is in the last.
std::vector<std::string_view> split(std::string_view text, std::size_t count) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < count && text.find(';') != std::string_view::npos) {
    const std::size_t end = text.find(';');
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

// What an object entry has after its rights.
std::vector<std::byte> object_fields(std::string_view object_type,
                                     std::string_view inherited_object_type) {
  const std::uint32_t present = (object_type.empty() ? 0 : object_type_present) |
                                (inherited_object_type.empty() ? 0 : inherited_object_type_present);
  std::vector<std::byte> fields;
  append(fields, bytes_of(present));
  for (const std::string_view guid : {object_type, inherited_object_type}) {
    if (!guid.empty()) append(fields, bytes_of(parse_object_guid(guid)));
  }
  return fields;
}

struct Ace {
  Layout layout;
  std::vector<std::byte> bytes;
};

// The entry that `text`, without its parentheses, spells.
Ace parse_ace(std::string_view text) {
  const auto fields = split(text, 6);
  AceType type = parse_ace_type(fields[0]);
  if (fields.size() < 6) {
    refuse(fmt::format("the access control entry {} has fewer than six fields", quoted(text)));
  }
  const bool has_guids = !fields[3].empty() || !fields[4].empty();
  if (has_guids && type.layout != Layout::object) {
    refuse(fmt::format("an access control entry of type {} has no GUIDs", type.name));
  }
  if (!has_guids && type.value == access_allowed_object) type = ace_types[access_allowed];

  std::vector<std::byte> body;
  append(body, bytes_of(parse_rights(fields[2])));
  if (type.layout == Layout::object) append(body, object_fields(fields[3], fields[4]));
  append(body, parse_sid(fields[5]));
  const AceHeader header = {
      .type = type.value,
      .flags = static_cast<std::uint8_t>(parse_letters(fields[1], {ace_flags}, "flags")),
      .size = static_cast<std::uint16_t>(sizeof(AceHeader) + body.size())};
  Ace ace = {type.layout, {}};
  append(ace.bytes, bytes_of(header));
  append(ace.bytes, body);
  return ace;
}

// Parses a descriptor from front to back, and puts its parts together.
class SddlParser {
 public:
  // `text` is in upper case and outlives the parser.
  explicit SddlParser(std::string_view text) : rest_(text) {}

  std::vector<std::byte> parse() {
    while (!rest_.empty()) parse_part();
    return assemble();
  }

 private:
  void parse_part() {
    if (rest_.size() < 2 || rest_[1] != ':') {
      refuse(fmt::format("O:, G:, D: or S: is expected at {}", quoted(rest_)));
    }
    const char letter = rest_[0];
    rest_.remove_prefix(2);
    if (seen_.find(letter) != std::string::npos) refuse(fmt::format("there are two {}:", letter));
    seen_ += letter;
    switch (letter) {
      case 'O':
        owner_ = parse_sid(take_sid());
        break;
      case 'G':
        group_ = parse_sid(take_sid());
        break;
      case 'D':
        dacl_ = parse_acl(dacl_kind);
        break;
      case 'S':
        sacl_ = parse_acl(sacl_kind);
        break;
      default:
        refuse(fmt::format("{}: is none of O:, G:, D: and S:", letter));
    }
  }

  // A SID ends where the next part begins with its letter and colon.
  std::string_view take_sid() {
    const std::size_t colon = rest_.find(':');
    const std::string_view sid =
        rest_.substr(0, colon == std::string_view::npos || colon == 0 ? colon : colon - 1);
    rest_.remove_prefix(sid.size());
    return sid;
  }

  // The access control list; empty for a NULL one.
  std::vector<std::byte> parse_acl(const AclKind& kind) {
    control_ |= kind.present;
    if (parse_acl_flags(kind)) {
      if (rest_.starts_with('(')) refuse(fmt::format("{} is followed by an entry", null_acl));
      return {};
    }
    std::vector<std::byte> entries;
    AclHeader header = {
        .revision = acl_revision, .reserved = 0, .size = 0, .ace_count = 0, .reserved2 = 0};
    while (rest_.starts_with('(')) {
      const Ace ace = parse_ace(take_ace());
      if (ace.layout == Layout::object) header.revision = acl_revision_with_objects;
      append(entries, ace.bytes);
      ++header.ace_count;
      if (entries.size() > max_size - sizeof(header)) {
        refuse(fmt::format("the access control list takes more than {} bytes", max_size));
      }
    }
    header.size = static_cast<std::uint16_t>(sizeof(header) + entries.size());
    std::vector<std::byte> acl;
    append(acl, bytes_of(header));
    append(acl, entries);
    return acl;
  }

  // Takes the flags of a list, and sets them. Returns whether they say that it is a NULL one.
  bool parse_acl_flags(const AclKind& kind) {
    bool is_null = false;
    while (!rest_.empty() && rest_[0] != '(' && !rest_.substr(1).starts_with(':')) {
      if (rest_.starts_with(null_acl)) {
        is_null = true;
        rest_.remove_prefix(null_acl.size());
        continue;
      }
      const auto flag = std::ranges::find_if(
          kind.flags, [&](const Code& code) { return rest_.starts_with(code.letters); });
      if (flag == kind.flags.end()) {
        refuse(fmt::format("{} is neither a flag of an access control list nor an entry",
                           quoted(rest_)));
      }
      control_ |= static_cast<std::uint16_t>(flag->bits);
      rest_.remove_prefix(flag->letters.size());
    }
    return is_null;
  }

  // The next entry, without its parentheses.
  std::string_view take_ace() {
    const std::size_t end = rest_.find(')');
    if (end == std::string_view::npos) {
      refuse(fmt::format("the access control entry {} has no end", quoted(rest_)));
    }
    const std::string_view ace = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return ace;
  }

  std::vector<std::byte> assemble() const {
    std::vector<std::byte> parts;
    const auto place = [&](const std::vector<std::byte>& part) -> std::uint32_t {
      if (part.empty()) return 0;
      const std::size_t offset = sizeof(DescriptorHeader) + parts.size();
      append(parts, part);
      return static_cast<std::uint32_t>(offset);
    };
    DescriptorHeader header = {};
    header.revision = descriptor_revision;
    header.control = control_;
    header.sacl = place(sacl_);
    header.dacl = place(dacl_);
    header.owner = place(owner_);
    header.group = place(group_);
    std::vector<std::byte> descriptor;
    append(descriptor, bytes_of(header));
    append(descriptor, parts);
    if (descriptor.size() > max_size) {
      refuse(fmt::format("the security descriptor takes more than {} bytes", max_size));
    }
    return descriptor;
  }

  static constexpr std::size_t max_size = 0xFFFF;

  std::string_view rest_;
  std::string seen_;  // the letters of the parts so far
  std::uint16_t control_ = descriptor_control::self_relative;
  std::vector<std::byte> owner_;
  std::vector<std::byte> group_;
  std::vector<std::byte> sacl_;
  std::vector<std::byte> dacl_;
};

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

}  // namespace

std::string format_sddl(ByteView descriptor) {
  const SecurityDescriptor parts = decode_security_descriptor(descriptor);
  std::string text;
  if (parts.owner) text += "O:" + format_sid(leading_sid(*parts.owner));
  if (parts.group) text += "G:" + format_sid(leading_sid(*parts.group));
  text += format_acl(parts.dacl, parts.control, dacl_kind);
  text += format_acl(parts.sacl, parts.control, sacl_kind);
  return text;
}

std::vector<std::byte> parse_sddl(std::string_view text) {
  const std::string upper = to_upper(text);
  return SddlParser(upper).parse();
}

}  // namespace cim::format
