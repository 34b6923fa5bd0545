// Digests of objects: the same, however many are computed at once and in whichever way.
#include "image/digest.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "image/sha512_lanes.h"
#include "support/image_content.h"

namespace cim {
namespace {

using test::bytes;

Digest start_of_sha512(const std::string& message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash = {};
  EXPECT_EQ(
      1, EVP_Digest(message.data(), message.size(), hash.data(), nullptr, EVP_sha512(), nullptr));
  Digest digest;
  std::copy_n(hash.begin(), digest.size(), digest.begin());
  return digest;
}

Digest expected_digest(const std::string& object) {
  if (object.size() > 24) return start_of_sha512(object);
  Digest digest = {};
  std::copy(object.begin(), object.end(), digest.begin());
  return digest;
}

// Random messages of these sizes, each in memory of its own, so that a sanitizer sees reads past
// its end.
template <typename Sizes>
std::vector<std::string> random_messages(const Sizes& sizes) {
  std::mt19937 generator(5);
  std::vector<std::string> messages;
  for (const std::size_t size : sizes) {
    std::string& message = messages.emplace_back(size, '\0');
    for (char& c : message) c = static_cast<char>(generator());
  }
  return messages;
}

// 0 to 300: up to two and a half blocks, with each length that padding can have.
std::vector<std::size_t> short_sizes() {
  std::vector<std::size_t> sizes(301);
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = i;
  return sizes;
}

std::vector<std::size_t> random_sizes(std::size_t count) {
  std::mt19937 generator(7);
  std::vector<std::size_t> sizes(count);
  for (std::size_t& size : sizes) size = generator() % (std::size_t{1} << generator() % 17);
  return sizes;
}

std::vector<Digest> digests_of(const std::vector<std::string>& objects) {
  std::vector<ByteView> views;
  for (const std::string& object : objects) views.push_back(bytes(object));
  std::vector<Digest> digests(objects.size());
  digest_objects(views, digests);
  return digests;
}

void expect_sha512(const Sha512Lanes& lanes, const std::vector<std::string>& messages) {
  std::vector<Digest> digests(messages.size());
  std::vector<Sha512Task> tasks;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    tasks.push_back({bytes(messages[i]), &digests[i]});
  }
  lanes.run(tasks);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(start_of_sha512(messages[i]), digests[i])
        << lanes.count << " lanes, message " << i << " of " << messages[i].size() << " bytes";
  }
}

TEST(ObjectDigest, IsTheStartOfTheSha512OfALongObjectAndAShortOneItself) {
  for (const std::string& object : random_messages(short_sizes())) {
    EXPECT_EQ(expected_digest(object), object_digest(bytes(object))) << object.size();
  }
}

TEST(ObjectDigest, IsThatOfPartsOneAfterTheOther) {
  Hasher hasher;
  for (const std::string& object : random_messages(short_sizes())) {
    hasher.reset();
    for (std::size_t at = 0; at < object.size(); at += 7) {
      hasher.update(bytes(object).subspan(at, std::min<std::size_t>(7, object.size() - at)));
    }
    EXPECT_EQ(expected_digest(object), hasher.finish()) << object.size();
  }
}

TEST(DigestsOfManyObjects, AreThoseOfEach) {
  for (const auto& sizes : {short_sizes(), random_sizes(500)}) {
    const std::vector<std::string> objects = random_messages(sizes);
    const std::vector<Digest> digests = digests_of(objects);
    for (std::size_t i = 0; i < objects.size(); ++i) {
      EXPECT_EQ(expected_digest(objects[i]), digests[i]) << objects[i].size();
    }
  }
}

TEST(DigestsOfManyObjects, DoNotDependOnWhatElseThereIs) {
  // If there are few, or their sizes differ a lot, the long ones are not digested with the others.
  const std::size_t many = std::size_t{1} << 20;
  const std::vector<std::vector<std::size_t>> groups = {
      {}, {0}, {100}, {many}, {many, 100}, {100, many, many, 7}, {many, 200, 200, 200, 200, 200}};
  for (const auto& sizes : groups) {
    const std::vector<std::string> objects = random_messages(sizes);
    const std::vector<Digest> digests = digests_of(objects);
    for (std::size_t i = 0; i < objects.size(); ++i) {
      EXPECT_EQ(expected_digest(objects[i]), digests[i]) << objects[i].size();
    }
  }
}

TEST(Sha512Lanes, HashMessagesOfAllShortLengths) {
  for (const Sha512Lanes& lanes : sha512_lanes()) {
    expect_sha512(lanes, random_messages(short_sizes()));
  }
}

TEST(Sha512Lanes, HashAnyNumberOfMessagesOfAnyLength) {
  for (const Sha512Lanes& lanes : sha512_lanes()) {
    for (std::size_t count = 0; count < 20; ++count) {
      expect_sha512(lanes, random_messages(random_sizes(count)));
    }
  }
}

TEST(Sha512Lanes, HashMessagesAtAnyAddress) {
  const std::string text = random_messages(std::vector<std::size_t>{2000})[0];
  for (const Sha512Lanes& lanes : sha512_lanes()) {
    std::vector<Digest> digests(64);
    std::vector<Sha512Task> tasks;
    for (std::size_t i = 0; i < digests.size(); ++i) {
      tasks.push_back({bytes(text).subspan(i, 1000 + 10 * i), &digests[i]});
    }
    lanes.run(tasks);
    for (std::size_t i = 0; i < digests.size(); ++i) {
      EXPECT_EQ(start_of_sha512(text.substr(i, 1000 + 10 * i)), digests[i]) << i;
    }
  }
}

}  // namespace
}  // namespace cim
