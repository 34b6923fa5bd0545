// Container images, made for tests.
#include "layout.h"

#include <fstream>
#include <sstream>

#include <archive.h>
#include <archive_entry.h>
#include <boost/filesystem.hpp>
#include <sys/mman.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "oci/digest.h"
#include "support/image_content.h"
#include "transfer/input.h"
#include "transfer/pax_writer.h"

namespace cim::oci {

std::string tar(const std::vector<std::pair<std::string, std::string>>& members) {
  const FileDescriptor file(memfd_create("archive", MFD_CLOEXEC));
  transfer::FileOutput output(file.get(), "archive");
  transfer::PaxWriter writer(output);
  for (const auto& [path, content] : members) {
    transfer::PaxMember member;
    member.path = path;
    member.status.st_mode = S_IFREG | 0644;
    const std::size_t arrow = path.find("->");
    if (arrow != std::string::npos) {
      member.path = path.substr(0, arrow);
      member.link_target = path.substr(arrow + 2);
      member.status.st_mode = S_IFLNK | 0777;
    }
    member.status.st_size = static_cast<off_t>(content.size());
    writer.begin(member);
    writer.write(test::bytes(content));
    writer.end();
  }
  writer.finish();
  lseek(file.get(), 0, SEEK_SET);
  transfer::FileInput input(file.get());
  std::string bytes;
  for (auto block = input.next(); !block.empty(); block = input.next()) bytes += block;
  return bytes;
}

std::string compressed(const std::string& bytes, const std::string& filter) {
  if (filter == "none") return bytes;
  std::string out(bytes.size() * 2 + 65536, '\0');
  std::size_t size = 0;
  archive* const writer = archive_write_new();
  archive_write_add_filter_by_name(writer, filter.c_str());
  archive_write_set_format_raw(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &size);
  archive_entry* const entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  archive_write_data(writer, bytes.data(), bytes.size());
  archive_entry_free(entry);
  archive_write_free(writer);
  out.resize(size);
  return out;
}

Layout::Layout() {
  files["oci-layout"] = R"({"imageLayoutVersion": "1.0.0"})";
  index({});
}

Json Layout::blob(const std::string& bytes, const std::string& media_type) {
  Json descriptor = {{"mediaType", media_type}, {"digest", sha256(bytes)}, {"size", bytes.size()}};
  files[path_of_blob(descriptor)] = bytes;
  return descriptor;
}

Json Layout::image(const std::vector<std::string>& layers, const Json& platform,
                   const std::string& filter) {
  Json config = platform;
  Json manifest = {{"schemaVersion", 2}, {"layers", Json::array()}};
  for (const std::string& layer : layers) {
    config["rootfs"]["diff_ids"].push_back(sha256(layer));
    manifest["layers"].push_back(blob(compressed(layer, filter)));
  }
  manifest["config"] = blob(config.dump());
  return blob(manifest.dump(), "application/vnd.oci.image.manifest.v1+json");
}

void Layout::index(const std::vector<Json>& manifests) {
  files["index.json"] = Json({{"schemaVersion", 2}, {"manifests", manifests}}).dump();
}

void Layout::write(const std::string& directory) const {
  for (const auto& [path, content] : files) {
    const boost::filesystem::path file = boost::filesystem::path(directory) / path;
    boost::filesystem::create_directories(file.parent_path());
    std::ofstream(file.string(), std::ios::binary) << content;
  }
}

std::string Layout::archive() const { return tar({files.begin(), files.end()}); }

std::string path_of_blob(const Json& descriptor) {
  return "blobs/sha256/" + std::string(hex_of(descriptor["digest"].get<std::string>()));
}

}  // namespace cim::oci
