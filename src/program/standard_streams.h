// Standard input, output and error of a program.
#pragma once

#include <initializer_list>
#include <string_view>

namespace cim {

// Opens /dev/null on each of the descriptors 0 to 2 that the program was started without: otherwise
// the next file that it opens would get that number, and the output meant for it. Reading from and
// writing to them fails, as on a closed descriptor. Call it first of all in main(). Throws Error.
void open_missing_standard_streams();

// Writes `text` to standard output. Throws Error with the errno of a failed write.
void print(std::string_view text);

// Makes sure that everything printed has been written. Throws Error if not.
void finish_printing();

// Writes `parts` to standard error in one call. If that is closed, full, or a pipe that nobody
// reads, they are lost: no message is worth failing the work that it is about. Allocates nothing.
// May be called from many threads at once, and by signal handlers.
void write_message(std::initializer_list<std::string_view> parts) noexcept;

// The same for one line, which begins with the name by which the program was called: the newline is
// not a part.
void write_line(std::initializer_list<std::string_view> parts) noexcept;

}  // namespace cim
