// Runs a fuzz target on stored inputs: replay DIRECTORY... A directory that does not exist has
// none.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include <boost/filesystem.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void replay(const boost::filesystem::path& path) {
  std::cout << path.string() << std::endl;  // flushed, so that a crash shows its input
  std::ifstream file(path.string(), std::ios::binary);
  const std::string input{std::istreambuf_iterator<char>(file), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    if (!boost::filesystem::is_directory(argv[i])) continue;
    for (const auto& entry : boost::filesystem::directory_iterator(argv[i])) {
      replay(entry.path());
      ++inputs;
    }
  }
  std::cout << inputs << " inputs\n";
  return inputs == 0 ? 1 : 0;
}
