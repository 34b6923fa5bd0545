// bench_make_image IMAGE COUNT [--flat | --deep]
//
// Makes an image of COUNT generated files. Prints the peak of its memory use in KiB.
#include <cstdio>
#include <fstream>
#include <string>

#include <CLI/CLI.hpp>
#include <cim/error.h>
#include <fmt/format.h>

#include "generated_image.h"

namespace {

// Not getrusage(2): its peak includes that of the process that executed this program.
std::uint64_t peak_memory_kib() {
  const char* const path = "/proc/self/status";
  std::ifstream status(path);
  for (std::string field; status >> field;) {
    std::uint64_t kib = 0;
    if (field == "VmHWM:" && status >> kib) return kib;
  }
  throw cim::Error(cim::Errc::unsupported, fmt::format("{}: has no VmHWM", path));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes an image of generated files; prints the peak of its memory in KiB.");
  std::string image;
  std::uint64_t count = 0;
  app.add_option("IMAGE", image, "The image, which must not exist")->required();
  app.add_option("COUNT", count, "The number of files")->required();
  bool flat = false;
  bool deep = false;
  CLI::Option* const flat_option = app.add_flag("--flat", flat, "All files in one directory");
  app.add_flag("--deep", deep, "Directories COUNT deep, a file in each")->excludes(flat_option);
  CLI11_PARSE(app, argc, argv);

  using cim::bench::Shape;
  const Shape shape = flat ? Shape::flat : deep ? Shape::deep : Shape::nested;
  try {
    cim::bench::generate_image(image, shape, count);
    fmt::print("{}\n", peak_memory_kib());
  } catch (const cim::Error& error) {
    fmt::print(stderr, "bench_make_image: {}\n", error.what());
    return 1;
  }
}
