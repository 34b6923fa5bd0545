// The block map of an MSIX package.
#include "transfer/msix_block_map.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "format/base64.h"
#include "transfer/xml_elements.h"

namespace cim::transfer {
namespace {

constexpr std::string_view sha256_name = "http://www.w3.org/2001/04/xmlenc#sha256";

Error corrupt(std::string reason) { return {Errc::corrupt, std::move(reason)}; }

std::uint64_t parse_size(const std::string& text) {
  std::uint64_t size = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || stop != text.data() + text.size()) {
    throw corrupt(fmt::format("has a size that is no number: '{}'", text));
  }
  return size;
}

Sha256 parse_digest(const std::string& text) {
  const std::vector<std::byte> bytes = format::decode_base64(text);
  Sha256 digest;
  if (bytes.size() != digest.size()) throw corrupt("has a digest of another size than SHA-256");
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

std::uint64_t block_count(std::uint64_t size) {
  return size / MsixBlockMap::block_size + (size % MsixBlockMap::block_size == 0 ? 0 : 1);
}

class Builder {
 public:
  void visit(const XmlElement& element) {
    if (!has_root_) return start(element);
    name_current([&] {
      if (element.path() == "BlockMap/File") add_file(element);
      if (element.path() == "BlockMap/File/Block") add_block(element);
    });
  }

  MsixBlockMap finish() {
    name_current([&] { check_last_file(); });
    return std::move(map_);
  }

 private:
  // Calls `use`, whose errors are about the current file.
  template <typename Use>
  void name_current(Use&& use) const {
    try {
      use();
    } catch (const Error& error) {
      throw error.with_object(name_);
    }
  }

  void start(const XmlElement& element) {
    if (element.path() != "BlockMap") throw corrupt("is no block map");
    has_root_ = true;
    if (element.required_attribute("HashMethod") == sha256_name) return;
    throw Error(Errc::unsupported, "has digests other than SHA-256");
  }

  void add_file(const XmlElement& element) {
    check_last_file();
    name_ = element.required_attribute("Name");
    std::ranges::replace(name_, '\\', '/');
    const auto [file, is_new] = map_.files.try_emplace(name_);
    if (!is_new) throw corrupt("is listed twice");
    file_ = &file->second;
    file_->size = parse_size(element.required_attribute("Size"));
  }

  // A path of this kind is below a file.
  void add_block(const XmlElement& element) {
    file_->blocks.push_back(parse_digest(element.required_attribute("Hash")));
  }

  void check_last_file() const {
    if (file_ == nullptr || file_->blocks.size() == block_count(file_->size)) return;
    throw corrupt(fmt::format("has {} digests for {} bytes", file_->blocks.size(), file_->size));
  }

  MsixBlockMap map_;
  bool has_root_ = false;
  std::string name_;  // of the current file
  MsixBlockMap::File* file_ = nullptr;
};

}  // namespace

MsixBlockMap parse_msix_block_map(std::string_view xml) {
  Builder builder;
  visit_xml_elements(xml, [&](const XmlElement& element) { builder.visit(element); });
  return builder.finish();
}

MsixBlockCheck::MsixBlockCheck(const MsixBlockMap::File& file, std::string name)
    : file_(file), name_(std::move(name)) {
  block_.reserve(MsixBlockMap::block_size);
}

void MsixBlockCheck::add(ByteView data) {
  if (data.size() > file_.size - size_) throw failure("has more data than the block map says");
  size_ += data.size();
  while (!data.empty()) {
    const ByteView part =
        data.first(std::min(data.size(), MsixBlockMap::block_size - block_.size()));
    block_.insert(block_.end(), part.begin(), part.end());
    data = data.subspan(part.size());
    if (block_.size() == MsixBlockMap::block_size) check_block();
  }
}

void MsixBlockCheck::finish() {
  if (!block_.empty()) check_block();
  if (size_ == file_.size) return;
  throw failure(fmt::format("ends after {} of {} bytes", size_, file_.size));
}

Error MsixBlockCheck::failure(const std::string& reason) const {
  return Error(Errc::corrupt, reason).with_path(name_);
}

void MsixBlockCheck::check_block() {
  const std::uint64_t index = checked_++;
  const bool is_equal = sha256(block_) == file_.blocks[index];
  block_.clear();
  if (is_equal) return;
  throw failure(fmt::format("differs from the block map in the 64 KiB from {} on",
                            index * MsixBlockMap::block_size));
}

}  // namespace cim::transfer
