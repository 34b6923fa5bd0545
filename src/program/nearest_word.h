// Guesses what a mistyped word was meant to be. May be called from many threads at once.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cim {

// The one of `candidates` that takes the fewest slips of a typist to become `word`: letters left
// out, added, changed or swapped. Empty if that is more than about a third of the letters.
std::string nearest_word(std::string_view word, std::span<const std::string> candidates);

}  // namespace cim
