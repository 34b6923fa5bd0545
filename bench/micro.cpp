// Micro-benchmarks of the library, without the kernel: lookup, listing, opening an image, building
// link tables, deduplication.
#include <array>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cim/writer.h>
#include <sys/stat.h>

#include "generated_image.h"
#include "posix/attributes.h"

namespace cim::bench {
namespace {

namespace fs = boost::filesystem;

constexpr std::int64_t small = 10;
constexpr std::int64_t middle = 1'000;
constexpr std::int64_t large = 100'000;

// Where images are made: in memory, so as not to measure the disk.
class ImageDirectory {
 public:
  ImageDirectory() : path_("/dev/shm" / fs::unique_path("cimfs-bench-%%%%-%%%%-%%%%")) {
    fs::create_directory(path_);
  }
  ImageDirectory(const ImageDirectory&) = delete;
  ImageDirectory& operator=(const ImageDirectory&) = delete;
  ~ImageDirectory() {
    boost::system::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  // The path of an image with `count` files in one directory.
  const std::string& flat_image(std::int64_t count) {
    std::string& path = images_[count];
    if (path.empty()) {
      path = (path_ / std::to_string(count)).string();
      generate_image(path, Shape::flat, static_cast<std::uint64_t>(count));
    }
    return path;
  }

  // For a Writer whose image replaces the previous one.
  Writer::Options new_image() const {
    Writer::Options options;
    options.directory = path_.string();
    options.name = "new";
    options.replace = true;
    return options;
  }

 private:
  fs::path path_;
  std::map<std::int64_t, std::string> images_;
};

ImageDirectory& images() {
  static ImageDirectory directory;
  return directory;
}

File flat_directory(const Image& image) {
  return image.file(image.find(image.file(image.root()), u"flat").value());
}

std::vector<std::u16string> generated_names(std::int64_t count) {
  std::vector<std::u16string> names;
  for (std::int64_t i = 0; i < count; ++i) {
    names.push_back(generated_name(static_cast<std::uint64_t>(i)));
  }
  return names;
}

void open_image(benchmark::State& state) {
  const std::string& path = images().flat_image(state.range());
  for (auto _ : state) benchmark::DoNotOptimize(Image(path));
}

void find(benchmark::State& state) {
  constexpr std::size_t stride = 7919;  // a prime: jumps around the directory and meets every name
  const Image image(images().flat_image(state.range()));
  const File directory = flat_directory(image);
  const std::vector<std::u16string> names = generated_names(state.range());
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(image.find(directory, names[next]));
    next = (next + stride) % names.size();
  }
}

// What readdirplus needs of a directory.
void list_directory(benchmark::State& state) {
  const Image image(images().flat_image(state.range()));
  const File directory = flat_directory(image);
  const posix::MountDefaults defaults;
  EntryName name;
  for (auto _ : state) {
    const Directory entries = image.entries(directory);
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      const File file = image.file(image.entry(entries, i, name));
      benchmark::DoNotOptimize(posix::attributes(image, file, defaults));
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range());
}

// Times only the commit, which writes the link table of the directory and the file table.
void commit_directory(benchmark::State& state) {
  const std::vector<std::u16string> names = generated_names(state.range());
  for (auto _ : state) {
    state.PauseTiming();
    {
      Writer writer(images().new_image());
      writer.create_directory(u"", {});
      for (const std::u16string& name : names) writer.create_file(name, {}, 0);
      state.ResumeTiming();
      writer.commit();
      state.PauseTiming();
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range());
}

void write_files(benchmark::State& state, bool distinct) {
  std::array<std::byte, 4096> data = {};
  const std::vector<std::u16string> names = generated_names(middle);
  std::uint64_t count = 0;
  for (auto _ : state) {
    Writer writer(images().new_image());
    writer.create_directory(u"", {});
    for (const std::u16string& name : names) {
      count += distinct ? 1 : 0;
      std::memcpy(data.data(), &count, sizeof(count));
      writer.create_file(name, {}, data.size()).write(data);
    }
  }
  state.SetItemsProcessed(state.iterations() * middle);
  state.SetBytesProcessed(state.iterations() * middle * static_cast<std::int64_t>(data.size()));
}

BENCHMARK(open_image)->Arg(large)->Unit(benchmark::kMicrosecond);
BENCHMARK(find)->Arg(small)->Arg(middle)->Arg(large);
BENCHMARK(list_directory)->Arg(small)->Arg(middle)->Arg(large)->Unit(benchmark::kMicrosecond);
BENCHMARK(commit_directory)->Arg(small)->Arg(middle)->Arg(large)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_files, equal, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(write_files, distinct, true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cim::bench

BENCHMARK_MAIN();
