#include "cli/disk_usage_page.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "cli/disk_usage_template.h"
#include "cli/file_json.h"

namespace cim::cli {
namespace {

constexpr std::string_view data_mark = "@DATA@";

// A string of JSON that cannot end the script element around it.
std::string json_string(const std::string& text) {
  std::string json = to_text(Json(text), -1);
  for (std::size_t at = 0; (at = json.find('<', at)) != std::string::npos;) {
    json.replace(at, 1, "\\u003c");
  }
  return json;
}

// A node without its children; see disk_usage_page.html. `name` is JSON.
std::string node(std::string_view name, const Usage& usage, std::uint64_t files) {
  return fmt::format("[{},{},{},{},{},{}", name, usage.apparent, usage.own, usage.parents,
                     usage.again, files);
}

void append(std::string& list, std::string_view element) {
  if (!list.empty()) list += ",\n";
  list += element;
}

}  // namespace

void DiskUsagePage::add_file(const std::string& name, const Usage& usage) {
  add(levels_.back(), node(json_string(name), usage, 1) + "]", usage, 1);
}

void DiskUsagePage::leave() {
  Directory done = std::move(levels_.back());
  levels_.pop_back();
  if (done.small_files > 0) {
    merged_ = true;
    append(done.children, node("null", done.small, done.small_files) + "]");
  }
  const std::string json =
      node(json_string(done.name), done.usage, done.files) + ",[" + done.children + "]]";
  if (levels_.empty()) {
    root_ = json;
  } else {
    add(levels_.back(), json, done.usage, done.files);
  }
}

void DiskUsagePage::add(Directory& parent, const std::string& json, const Usage& usage,
                        std::uint64_t files) {
  parent.usage += usage;
  parent.files += files;
  if (usage.apparent >= min_size_) return append(parent.children, json);
  parent.small += usage;
  parent.small_files += files;
}

std::string DiskUsagePage::html(const std::string& image) const {
  std::string page(disk_usage_template);
  page.replace(page.find(data_mark), data_mark.size(),
               fmt::format("{{\"image\":{},\"merged\":{},\"root\":{}}}", json_string(image),
                           merged_, root_));
  return page;
}

}  // namespace cim::cli
