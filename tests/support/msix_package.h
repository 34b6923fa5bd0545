// Writes MSIX packages, as sound or as broken as a test needs.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

namespace cim::test {

// A package of the files that are added, its manifest, a block map and [Content_Types].xml. Files
// named *.png are stored, others are compressed.
class MsixPackage {
 public:
  static constexpr const char* full_name = "Example.App_1.2.3.4_x64__s2ne61n4j7kre";
  static constexpr time_t time = 1600000000;

  // Adds a file that is in the block map.
  MsixPackage& file(const std::string& path, const std::string& content) {
    return unlisted(path, content).listed(path, content);
  }

  // Adds a file only to the archive.
  MsixPackage& unlisted(const std::string& path, const std::string& content) {
    return member(escaped(path), content);
  }

  // The same; `name` is that in the archive.
  MsixPackage& member(const std::string& name, const std::string& content) {
    members_.emplace_back(name, content);
    return *this;
  }

  // Adds a file only to the block map.
  MsixPackage& listed(std::string path, std::string_view content) {
    std::ranges::replace(path, '/', '\\');
    files_ += fmt::format("<File Name=\"{}\" Size=\"{}\" LfhSize=\"30\">", path, content.size());
    for (; !content.empty(); content.remove_prefix(std::min(content.size(), block_size))) {
      files_ += "<Block Hash=\"" + digest(content.substr(0, block_size)) + "\" Size=\"1\"/>";
    }
    files_ += "</File>";
    return *this;
  }

  MsixPackage& manifest() {
    return file(
        "AppxManifest.xml",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
        "<Package xmlns=\"http://schemas.microsoft.com/appx/manifest/foundation/windows10\">"
        "<Identity Name=\"Example.App\" Version=\"1.2.3.4\" Publisher=\"CN=Example\" "
        "ProcessorArchitecture=\"x64\"/></Package>");
  }

  MsixPackage& block_map() {
    return unlisted("AppxBlockMap.xml",
                    "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>"
                    "<BlockMap xmlns=\"http://schemas.microsoft.com/appx/2010/blockmap\" "
                    "HashMethod=\"http://www.w3.org/2001/04/xmlenc#sha256\">" +
                        files_ + "</BlockMap>");
  }

  // Adds what every package has, then writes it to `path`.
  void finish(const std::string& path) {
    manifest().block_map().member("[Content_Types].xml", "<Types/>").write(path);
  }

  // Writes what has been added to `path`.
  void write(const std::string& path) const {
    archive* const writer = archive_write_new();
    archive_write_set_format_zip(writer);
    ASSERT_EQ(archive_write_open_filename(writer, path.c_str()), ARCHIVE_OK);
    for (const auto& [name, content] : members_) write_member(writer, name, content);
    ASSERT_EQ(archive_write_free(writer), ARCHIVE_OK);
  }

 private:
  static constexpr std::size_t block_size = 64 << 10;

  static std::string escaped(const std::string& path) {
    std::string name;
    for (const char c : path) {
      const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' ||
                            c == '.' || c == '-' || c == '_';
      name += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return name;
  }

  static std::string digest(std::string_view block) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes = {};
    unsigned size = 0;
    EVP_Digest(block.data(), block.size(), bytes.data(), &size, EVP_sha256(), nullptr);
    std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> text = {};
    const int length = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(size));
    return {text.begin(), text.begin() + length};
  }

  static void write_member(archive* writer, const std::string& name, const std::string& content) {
    if (name.ends_with(".png")) {
      archive_write_zip_set_compression_store(writer);
    } else {
      archive_write_zip_set_compression_deflate(writer);
    }
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_entry_set_mtime(entry, time, 0);
    ASSERT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
    ASSERT_EQ(archive_write_data(writer, content.data(), content.size()),
              static_cast<la_ssize_t>(content.size()));
    archive_entry_free(entry);
  }

  std::vector<std::pair<std::string, std::string>> members_;
  std::string files_;  // of the block map
};

}  // namespace cim::test
