// Files as Windows lists them.
#include "cli/windows_listing.h"

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/file_fields.h"

namespace cim::cli {
namespace {

struct Row {
  std::string attributes;
  std::string owner;
  std::string size;
  std::string time;
  std::string name;
};

std::string attribute_letters(std::uint32_t attributes) {
  constexpr std::pair<std::uint32_t, char> letters[] = {
      {attribute::directory, 'd'}, {attribute::archive, 'a'}, {attribute::read_only, 'r'},
      {attribute::hidden, 'h'},    {attribute::system, 's'},  {attribute::reparse_point, 'l'},
  };
  std::string text;
  for (const auto& [bit, letter] : letters) text += (attributes & bit) != 0 ? letter : '-';
  return text;
}

std::string owner_name(const Image& image, const File& file) {
  const auto security = security_of(image, file);
  if (!security) return "-";
  const Account& owner = security->owner;
  if (owner.sid.empty()) return security->problem.empty() ? "-" : "?";
  return owner.name.empty() ? owner.sid : owner.name;
}

}  // namespace

std::string windows_listing(const Image& image, std::span<const FileInfo> files,
                            const FileColors& colors, bool human_readable) {
  const time_t now = std::time(nullptr);
  std::vector<Row> rows;
  std::size_t owner_width = 0;
  std::size_t size_width = 0;
  for (const FileInfo& file : files) {
    const auto size = static_cast<std::uint64_t>(file.status.st_size);
    rows.push_back({attribute_letters(file.file.attributes), owner_name(image, file.file),
                    human_readable ? human_size(size) : std::to_string(size),
                    listed_time(file.status.st_mtim.tv_sec, now), name_and_target(file, colors)});
    owner_width = std::max(owner_width, rows.back().owner.size());
    size_width = std::max(size_width, rows.back().size.size());
  }
  std::string text;
  for (const Row& row : rows) {
    text += fmt::format("{} {:<{}} {:>{}} {} {}\n", row.attributes, row.owner, owner_width,
                        row.size, size_width, row.time, row.name);
  }
  return text;
}

}  // namespace cim::cli
