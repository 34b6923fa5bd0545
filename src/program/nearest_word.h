// Guesses what a mistyped word was meant to be. May be called from many threads at once.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cim {

// A question whether the one of `known` was meant that takes the fewest slips of a typist to become
// `word`: letters left out, added, changed or swapped. `otherwise` if that is more than about a
// third of the letters.
std::string ask_for_nearest_word(std::string_view word, std::span<const std::string> known,
                                 const std::string& otherwise);

}  // namespace cim
