// Permissions as people write them for chmod(1).
#include "posix/mode_change.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <cim/error.h>
#include <fmt/format.h>

namespace cim::posix {
namespace {

constexpr mode_t all_bits = 07777;
constexpr mode_t set_id_bits = S_ISUID | S_ISGID;
constexpr mode_t every_user = 0111;  // multiplied by the bits of one: those of all

// The bits of the user `letter`; 0 if it stands for none.
mode_t bits_of_user(char letter) {
  switch (letter) {
    case 'u':
      return S_ISUID | S_IRWXU;
    case 'g':
      return S_ISGID | S_IRWXG;
    case 'o':
      return S_ISVTX | S_IRWXO;
    case 'a':
      return all_bits;
    default:
      return 0;
  }
}

mode_t bits_of_permission(char letter) {
  switch (letter) {
    case 'r':
      return S_IROTH * every_user;
    case 'w':
      return S_IWOTH * every_user;
    case 'x':
      return S_IXOTH * every_user;
    case 's':
      return set_id_bits;
    case 't':
      return S_ISVTX;
    default:
      return 0;
  }
}

int shift_of_user(char letter) { return letter == 'u' ? 6 : letter == 'g' ? 3 : 0; }

char take(std::string_view& text) {
  const char letter = text.empty() ? '\0' : text.front();
  if (!text.empty()) text.remove_prefix(1);
  return letter;
}

bool starts_with_one_of(std::string_view text, std::string_view letters) {
  return !text.empty() && letters.find(text.front()) != std::string_view::npos;
}

}  // namespace

ModeChange::ModeChange(const std::string& text, mode_t mask) {
  mode_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, number, 8);
  if (error != std::errc() || parsed != end) {
    parse(text, mask);
    return;
  }
  if (number > all_bits) {
    throw Error(Errc::invalid_argument, fmt::format("'{}' is no mode: too large", text));
  }
  constexpr std::size_t digits_without_set_id = 4;
  steps_.push_back({.operation = '=',
                    .who = all_bits,
                    .bits = number,
                    .clears_set_id = text.size() > digits_without_set_id});
}

// WHO OPERATION PERMISSIONS [OPERATION PERMISSIONS]..., separated by commas.
void ModeChange::parse(const std::string& text, mode_t mask) {
  const Error invalid(Errc::invalid_argument, fmt::format("'{}' is no mode", text));
  std::string_view rest = text;
  do {
    mode_t who = 0;
    while (starts_with_one_of(rest, "ugoa")) who |= bits_of_user(take(rest));
    if (who == 0) who = all_bits & ~mask;
    if (!starts_with_one_of(rest, "+-=")) throw Error(invalid);
    while (starts_with_one_of(rest, "+-=")) {
      Step step = {.operation = take(rest), .who = who};
      if (starts_with_one_of(rest, "ugo")) {
        step.copied_shift = shift_of_user(take(rest));
      } else {
        while (starts_with_one_of(rest, "rwxXst")) {
          const char letter = take(rest);
          step.if_executable |= letter == 'X';
          step.bits |= bits_of_permission(letter);
        }
      }
      steps_.push_back(step);
    }
    if (!rest.empty() && (take(rest) != ',' || rest.empty())) throw Error(invalid);
  } while (!rest.empty());
}

mode_t ModeChange::apply(mode_t mode) const {
  for (const Step& step : steps_) mode = apply(step, mode);
  return mode;
}

mode_t ModeChange::apply(const Step& step, mode_t mode) {
  mode_t bits = step.bits;
  if (step.copied_shift >= 0) bits = ((mode >> step.copied_shift) & S_IRWXO) * every_user;
  const bool is_executable = S_ISDIR(mode) || (mode & S_IXOTH * every_user) != 0;
  if (step.if_executable && is_executable) bits |= S_IXOTH * every_user;
  bits &= step.who;
  switch (step.operation) {
    case '+':
      return mode | bits;
    case '-':
      return mode & ~bits;
    default:
      // GNU's chmod keeps these bits of directories unless they are named.
      const mode_t kept = S_ISDIR(mode) && !step.clears_set_id ? set_id_bits & ~bits : 0;
      return (mode & ~(step.who & ~kept)) | bits;
  }
}

}  // namespace cim::posix
