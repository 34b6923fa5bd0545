// cim check, which is also fsck.cimfs.
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "cli/progress_report.h"
#include "image/check.h"
#include "program/standard_streams.h"

namespace cim::cli {
namespace {

// As in fsck(8).
constexpr int exit_uncorrected = 4;
constexpr int exit_operational = 8;
constexpr int exit_usage = 16;

struct CheckOptions {
  std::string image;
  bool data = false;
  bool json = false;
};

std::string count(std::uint64_t number, const char* thing) {
  return fmt::format("{} {}{}", number, thing, number == 1 ? "" : "s");
}

// Prints problems as they are found, or keeps them for JSON.
class Report : public CheckObserver {
 public:
  explicit Report(const CheckOptions& options) : options_(options) {}

  void found(bool is_error, const std::string& message) override {
    const std::string text = message.substr(options_.image.size() + 2);
    if (options_.json) {
      Json problem = Json::object();
      problem["severity"] = is_error ? "error" : "warning";
      set_text(problem, "message", text);
      problems_.push_back(std::move(problem));
    } else if (progress_) {
      progress_->warn(is_error ? text : "warning: " + text);
    } else {
      write_line({escape_controls(options_.image), ": ",
                  is_error ? "" : "warning: ", escape_controls(text)});
    }
  }

  void expect(std::uint64_t files, std::uint64_t bytes) override {
    progress_.emplace(options_.image, transfer::Amount{files, bytes});
  }

  void advance(std::uint64_t files, std::uint64_t bytes) override {
    progress_->advance({files, bytes});
  }

  void finish(const CheckResult& result) {
    progress_.reset();
    if (!options_.json) {
      return print(fmt::format("{}: {}, {}, {} compared: {}, {}\n", escape_controls(options_.image),
                               count(result.files, "file"), count(result.unused, "unused record"),
                               count(result.objects, "object"), count(result.errors, "error"),
                               count(result.warnings, "warning")));
    }
    Json object = Json::object();
    set_text(object, "image", options_.image);
    object["files"] = result.files;
    object["unused_records"] = result.unused;
    object["objects"] = result.objects;
    object["errors"] = result.errors;
    object["warnings"] = result.warnings;
    object["problems"] = std::move(problems_);
    print(to_text(object, 2) + "\n");
  }

 private:
  const CheckOptions& options_;
  std::optional<ProgressReport> progress_;
  Json problems_ = Json::array();
};

bool is_for_repair(std::string_view argument) {
  if (argument.size() < 2 || argument[0] != '-' || argument[1] == '-') return false;
  return argument[1] == 'C' || argument.find_first_not_of("apynfrvVTAM", 1) == argument.npos;
}

}  // namespace

std::vector<const char*> command_line(int argc, const char* const* argv) {
  std::vector<const char*> arguments(argv, argv + argc);
  const std::string_view program = argc > 0 ? argv[0] : "";
  if (program.substr(program.rfind('/') + 1) != "fsck.cimfs") return arguments;
  arguments.resize(1);
  arguments.push_back("check");
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--version") return {argv[0], argv[i]};
    if (argument == "-t") {
      ++i;
    } else if (!is_for_repair(argument)) {
      arguments.push_back(argv[i]);
    }
  }
  return arguments;
}

void add_check_command(Command app, ExitStatus& exit) {
  const Command command = app.add_subcommand("check", "Verify an image");
  const auto options = std::make_shared<CheckOptions>();
  add_image_argument(command, options->image);
  command.add_flag("--data", options->data, "Also compare the digests of all data");
  add_json_flag(command, options->json);
  command.footer(
      "Exit status, as in fsck(8): 0 no errors, 4 errors, 8 the image could not be\n"
      "read, 16 wrong usage. Warnings are not errors. As fsck.cimfs, this command also\n"
      "accepts the options of fsck(8) that only matter for repairs.");
  command.set_preparation([&exit] {
    exit.failure = exit_operational;
    exit.usage = exit_usage;
  });
  set_action(command, options->image, [options, &exit] {
    Report report(*options);
    const CheckResult result = check_image(options->image, options->data, report);
    report.finish(result);
    if (result.errors > 0) exit.success = exit_uncorrected;
  });
}

}  // namespace cim::cli
