// Runs cim with one of its calls struck, see tests/faults/file_faults.c.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

#include "cli_test.h"
#include "support/preload.h"

namespace cim::cli {

// What strikes a call, and where.
struct Strike {
  std::string kind;
  bool has_tmpfile;  // the file system has O_TMPFILE
};

inline std::string name_of(const Strike& strike) {
  return strike.kind + (strike.has_tmpfile ? "" : "WithoutTmpfile");
}

// Strikes call `number` of each program started while this lives.
class FileFault {
 public:
  FileFault(const std::string& kind, int number, const std::string& log)
      : kind_("FILE_FAULTS_KIND", kind.c_str()),
        number_("FILE_FAULTS_AT", std::to_string(number).c_str()),
        log_("FILE_FAULTS_LOG", log.c_str()),
        preload_(std::getenv("FILE_FAULTS")) {}
  FileFault(const Strike& strike, int number, const std::string& log)
      : FileFault(strike.kind, number, log) {
    if (!strike.has_tmpfile) no_tmpfile_.emplace("FILE_FAULTS_NO_TMPFILE", "1");
  }

 private:
  const Environment kind_;
  const Environment number_;
  const Environment log_;
  std::optional<Environment> no_tmpfile_;
  const test::Preload preload_;
};

}  // namespace cim::cli
