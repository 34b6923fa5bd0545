// How the commands of cim declare their options and arguments. Behind this is CLI11, of which each
// file that includes it compiles seconds' worth. Nothing here is thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cim::cli {

// Wrong usage that shows only once the command line has been parsed. what() is one line on it.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// An option or argument of a command. Copies stand for the same one.
class Option {
 public:
  explicit Option(CLI::Option* option) noexcept : option_(option) {}

  Option required() const;
  Option excludes(Option other) const;
  Option needs(Option other) const;

  // What stands for its value, as in `--tar FILE`.
  Option type_name(const char* name) const;

  // Its value is one of `values`, which completions then offer.
  Option one_of(std::vector<std::string> values) const;

  // It takes one value each time it is given. Otherwise, one with a vector takes all that follow.
  Option one_value_each() const;

 private:
  CLI::Option* option_;
};

// A command. Copies stand for the same one. `names` are those of one option, as in "-f,--force", or
// the name of an argument; `value` must live until the command has run.
class Command {
 public:
  explicit Command(CLI::App& app) noexcept : app_(&app) {}

  Command add_subcommand(const char* name, const char* description) const;

  Option add_option(const char* names, std::string& value, const char* description) const;
  Option add_option(const char* names, std::optional<std::string>& value,
                    const char* description) const;
  Option add_option(const char* names, std::vector<std::string>& value,
                    const char* description) const;

  // With "{TEXT}" behind its names, the flag has the value TEXT, or what is given behind a '='.
  Option add_flag(const char* names, std::string& value, const char* description) const;
  Option add_flag(const char* names, bool& value, const char* description) const;
  // A flag without effect.
  Option add_flag(const char* names, const char* description) const;

  // Everything behind `--`: a command with its arguments, none of which are options of this one.
  // `name` is what stands for it in help.
  Option add_command_line(const char* name, std::vector<std::string>& value,
                          const char* description) const;

  // Frees the option -h for another meaning than help.
  void reserve_short_h() const;

  // The end of its help.
  void footer(const char* text) const;

  // `run` is what it does; `prepare` is called once it has been chosen, before its options are
  // looked at.
  void set_action(std::function<void()> run) const;
  void set_preparation(std::function<void()> prepare) const;

 private:
  CLI::App* app_;
};

// Parses the command line, which runs the subcommand. Throws what that throws, and CLI::ParseError
// for wrong usage.
void parse(CLI::App& app, int argc, const char* const* argv);

}  // namespace cim::cli
