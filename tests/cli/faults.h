// Runs cim with one of its calls struck, see tests/faults/file_faults.c.
#pragma once

#include <cstdlib>
#include <string>

#include "cli_test.h"
#include "support/preload.h"

namespace cim::cli {

// Strikes call `number` of each program started while this lives.
class FileFault {
 public:
  FileFault(const std::string& kind, int number, const std::string& log)
      : kind_("FILE_FAULTS_KIND", kind.c_str()),
        number_("FILE_FAULTS_AT", std::to_string(number).c_str()),
        log_("FILE_FAULTS_LOG", log.c_str()),
        preload_(std::getenv("FILE_FAULTS")) {}

 private:
  const Environment kind_;
  const Environment number_;
  const Environment log_;
  const test::Preload preload_;
};

}  // namespace cim::cli
