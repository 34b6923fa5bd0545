#include "image/digest.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <vector>

#include <cim/error.h>

#include "image/sha512_lanes.h"

namespace cim {

namespace {

void check(int result) {
  if (result != 1) throw Error(Errc::io_error, "libcrypto cannot compute SHA-512");
}

// Fetched once: looking an algorithm up costs more than hashing a small file.
const EVP_MD* sha512() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  if (algorithm == nullptr) throw Error(Errc::unsupported, "libcrypto does not have SHA-512");
  return algorithm;
}

bool is_its_own_digest(ByteView object) { return object.size() <= format::digest_size; }

Digest padded(ByteView object) {
  Digest digest = {};
  if (!object.empty()) std::memcpy(digest.data(), object.data(), object.size());
  return digest;
}

// How many of the tasks, which come longest first, are better done alone while the others go
// through `lanes`: a few long ones would leave most lanes idle.
std::size_t count_alone(std::span<const Sha512Task> tasks, const Sha512Lanes& lanes) {
  // Measured: each lane is half as fast as libcrypto.
  constexpr std::size_t lane_slowness = 2;
  std::size_t in_lanes = 0;
  for (const Sha512Task& task : tasks) in_lanes += task.message.size();
  std::size_t alone = 0;
  std::size_t best = 0;
  std::size_t best_time = SIZE_MAX;
  for (std::size_t i = 0; i <= tasks.size(); ++i) {
    const std::size_t longest = i < tasks.size() ? tasks[i].message.size() : 0;
    const std::size_t time = alone + lane_slowness * std::max(longest, in_lanes / lanes.count);
    if (time < best_time) {
      best = i;
      best_time = time;
    }
    alone += longest;
    in_lanes -= longest;
  }
  return best;
}

}  // namespace

Hasher::Hasher() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  check(EVP_DigestInit_ex2(context_.get(), sha512(), nullptr));
}

void Hasher::reset() {
  check(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr));
  length_ = 0;
  start_ = {};
}

void Hasher::update(ByteView data) {
  if (length_ < start_.size()) {
    const std::size_t n = std::min<std::size_t>(data.size(), start_.size() - length_);
    if (n > 0) std::memcpy(&start_[length_], data.data(), n);
  }
  length_ += data.size();
  check(EVP_DigestUpdate(context_.get(), data.data(), data.size()));
}

void Hasher::update_zeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 64 * 1024> zeros = {};
  while (count > 0) {
    const std::size_t n = std::min<std::uint64_t>(count, zeros.size());
    update(ByteView(zeros).first(n));
    count -= n;
  }
}

Digest Hasher::finish() {
  if (length_ <= start_.size()) return start_;
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> whole;
  check(EVP_DigestFinal_ex(context_.get(), whole.data(), nullptr));
  Digest digest;
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

Digest object_digest(ByteView object) {
  if (is_its_own_digest(object)) return padded(object);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> whole;
  check(EVP_Digest(object.data(), object.size(), whole.data(), nullptr, sha512(), nullptr));
  Digest digest;
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

void digest_objects(std::span<const ByteView> objects, std::span<Digest> digests) {
  std::vector<Sha512Task> tasks;
  tasks.reserve(objects.size());
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (is_its_own_digest(objects[i])) {
      digests[i] = padded(objects[i]);
    } else {
      tasks.push_back({objects[i], &digests[i]});
    }
  }
  std::size_t alone = tasks.size();
  if (!sha512_lanes().empty()) {
    const Sha512Lanes& lanes = sha512_lanes().front();
    std::ranges::sort(tasks, std::greater(),
                      [](const Sha512Task& task) { return task.message.size(); });
    alone = count_alone(tasks, lanes);
    lanes.run(std::span(tasks).subspan(alone));
  }
  for (const Sha512Task& task : std::span(tasks).first(alone)) {
    *task.digest = object_digest(task.message);
  }
}

}  // namespace cim
