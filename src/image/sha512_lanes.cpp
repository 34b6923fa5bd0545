#include "image/sha512_lanes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace cim {

#ifdef __x86_64__

namespace {

// FIPS 180-4 has the names and the numbers.
constexpr std::size_t block_size = 128;
constexpr std::size_t block_words = 16;
constexpr std::size_t rounds = 80;
constexpr std::size_t length_size = 16;  // of the message's length, at the end of its last block
constexpr std::size_t digest_words = format::digest_size / sizeof(std::uint64_t);
static_assert(digest_words * sizeof(std::uint64_t) == format::digest_size);

constexpr std::array<std::uint64_t, 8> initial_hash = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

constexpr std::array<std::uint64_t, rounds> round_constants = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

// A word of each message. Where this is inlined into a function for processors with registers that
// wide, one instruction works on all. A struct because compilers warn about passing or returning
// bare vectors: how they do it depends on those registers.
template <std::size_t lanes>
struct Words {
  std::uint64_t lane [[gnu::vector_size(lanes * sizeof(std::uint64_t))]];

  [[gnu::always_inline]] friend Words operator+(const Words& a, const Words& b) {
    return {a.lane + b.lane};
  }
  [[gnu::always_inline]] friend Words operator&(const Words& a, const Words& b) {
    return {a.lane & b.lane};
  }
  [[gnu::always_inline]] friend Words operator|(const Words& a, const Words& b) {
    return {a.lane | b.lane};
  }
  [[gnu::always_inline]] friend Words operator^(const Words& a, const Words& b) {
    return {a.lane ^ b.lane};
  }
  [[gnu::always_inline]] friend Words operator>>(const Words& a, int bits) {
    return {a.lane >> bits};
  }
  [[gnu::always_inline]] Words rotated(int bits) const {
    return {lane >> bits | lane << (64 - bits)};
  }
};

template <std::size_t lanes>
using Hashes = std::array<Words<lanes>, initial_hash.size()>;

template <std::size_t lanes>
using Pointers = std::array<const std::byte*, lanes>;

template <std::size_t lanes>
[[gnu::always_inline]] inline Words<lanes> load_words(const Pointers<lanes>& from,
                                                      std::size_t offset) {
  Words<lanes> words;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < lanes; ++i) {
    std::uint64_t big_endian;
    std::memcpy(&big_endian, from[i] + offset, sizeof(big_endian));
    words.lane[i] = __builtin_bswap64(big_endian);
  }
  return words;
}

// Adds the block of each message at `from` to its hash.
template <std::size_t lanes>
[[gnu::always_inline]] inline void add_block(Hashes<lanes>& hashes, const Pointers<lanes>& from) {
  std::array<Words<lanes>, block_words> w;
  for (std::size_t t = 0; t < block_words; ++t) {
    w[t] = load_words<lanes>(from, t * sizeof(std::uint64_t));
  }
  auto [a, b, c, d, e, f, g, h] = hashes;
  for (std::size_t first = 0; first < rounds; first += block_words) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < block_words; ++t) {
      if (first > 0) {
        const Words<lanes> w2 = w[(t + 14) % block_words];
        const Words<lanes> w15 = w[(t + 1) % block_words];
        w[t] = w[t] + (w15.rotated(1) ^ w15.rotated(8) ^ w15 >> 7) + w[(t + 9) % block_words] +
               (w2.rotated(19) ^ w2.rotated(61) ^ w2 >> 6);
      }
      const Words<lanes> choice = g ^ (e & (f ^ g));
      const Words<lanes> majority = (a & b) | (c & (a | b));
      const Words<lanes> t1 = h + (e.rotated(14) ^ e.rotated(18) ^ e.rotated(41)) + choice +
                              Words<lanes>{w[t].lane + round_constants[first + t]};
      const Words<lanes> t2 = (a.rotated(28) ^ a.rotated(34) ^ a.rotated(39)) + majority;
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
  }
  const Hashes<lanes> added = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = hashes[i] + added[i];
}

template <std::size_t lanes>
[[gnu::always_inline]] inline void add_blocks(Hashes<lanes>& hashes, Pointers<lanes> from,
                                              std::size_t count) {
  for (; count > 0; --count) {
    add_block<lanes>(hashes, from);
    for (const std::byte*& position : from) position += block_size;
  }
}

[[gnu::target("avx512f")]] void add_blocks_avx512(Hashes<8>& hashes, const Pointers<8>& from,
                                                  std::size_t count) {
  add_blocks<8>(hashes, from, count);
}

[[gnu::target("avx2")]] void add_blocks_avx2(Hashes<4>& hashes, const Pointers<4>& from,
                                             std::size_t count) {
  add_blocks<4>(hashes, from, count);
}

// A message on its way through a lane. Its blocks are those within it, then its end with the
// padding.
struct Lane {
  const Sha512Task* task = nullptr;  // none: the lane is idle
  const std::byte* next = nullptr;
  std::size_t blocks = 0;      // from `next` on, one after another
  std::size_t end_blocks = 0;  // in `end`; 0 once `next` is there
  std::array<std::byte, 2 * block_size> end;

  void start(const Sha512Task& new_task) {
    const ByteView message = new_task.message;
    const ByteView rest = message.last(message.size() % block_size);
    task = &new_task;
    next = message.data();
    blocks = message.size() / block_size;
    end_blocks = (rest.size() + 1 + length_size + block_size - 1) / block_size;
    end = {};
    std::ranges::copy(rest, end.begin());
    end[rest.size()] = std::byte{0x80};
    const std::uint64_t bits = __builtin_bswap64(message.size() * 8);
    std::memcpy(&end[end_blocks * block_size - sizeof(bits)], &bits, sizeof(bits));
    if (blocks == 0) go_to_end();
  }

  void advance(std::size_t count) {
    next += count * block_size;
    blocks -= count;
    if (blocks == 0 && end_blocks > 0) go_to_end();
  }

  void go_to_end() {
    next = end.data();
    blocks = std::exchange(end_blocks, 0);
  }
};

// Does `tasks` with a function that adds blocks of one message per lane.
template <std::size_t lanes, auto add_blocks_of_lanes>
class LaneRun {
 public:
  explicit LaneRun(std::span<const Sha512Task> tasks) : waiting_(tasks) {
    for (std::size_t i = 0; i < lanes; ++i) take_next(i);
  }

  void finish() {
    while (const Lane* const shortest = shortest_lane()) {
      const std::size_t count = shortest->blocks;
      Pointers<lanes> from;
      for (std::size_t i = 0; i < lanes; ++i) {
        const bool is_idle = lanes_[i].task == nullptr;
        from[i] = (is_idle ? *shortest : lanes_[i]).next;  // an idle one must read something
      }
      add_blocks_of_lanes(hashes_, from, count);
      for (std::size_t i = 0; i < lanes; ++i) advance(i, count);
    }
  }

 private:
  // The busy lane that finishes first; none if all are idle.
  const Lane* shortest_lane() const {
    const Lane* shortest = nullptr;
    for (const Lane& lane : lanes_) {
      if (lane.task == nullptr) continue;
      if (shortest == nullptr || lane.blocks < shortest->blocks) shortest = &lane;
    }
    return shortest;
  }

  void advance(std::size_t i, std::size_t count) {
    if (lanes_[i].task == nullptr) return;
    lanes_[i].advance(count);
    if (lanes_[i].blocks > 0) return;
    store_digest(i);
    take_next(i);
  }

  void store_digest(std::size_t i) const {
    std::array<std::uint64_t, digest_words> words;
    for (std::size_t word = 0; word < words.size(); ++word) {
      words[word] = __builtin_bswap64(hashes_[word].lane[i]);
    }
    std::memcpy(lanes_[i].task->digest->data(), words.data(), sizeof(words));
  }

  void take_next(std::size_t i) {
    lanes_[i].task = nullptr;
    if (waiting_.empty()) return;
    lanes_[i].start(waiting_.front());
    waiting_ = waiting_.subspan(1);
    for (std::size_t word = 0; word < hashes_.size(); ++word) {
      hashes_[word].lane[i] = initial_hash[word];
    }
  }

  std::span<const Sha512Task> waiting_;
  std::array<Lane, lanes> lanes_;
  Hashes<lanes> hashes_ = {};
};

template <std::size_t lanes, auto add_blocks_of_lanes>
void run(std::span<const Sha512Task> tasks) {
  LaneRun<lanes, add_blocks_of_lanes>(tasks).finish();
}

std::vector<Sha512Lanes> find_lanes() {
  std::vector<Sha512Lanes> found;
  if (__builtin_cpu_supports("avx512f")) found.push_back({8, run<8, add_blocks_avx512>});
  if (__builtin_cpu_supports("avx2")) found.push_back({4, run<4, add_blocks_avx2>});
  return found;
}

}  // namespace

std::span<const Sha512Lanes> sha512_lanes() {
  static const std::vector<Sha512Lanes> lanes = find_lanes();
  return lanes;
}

#else

// With vectors of 128 bits, or its own instructions for SHA-512, libcrypto is as fast.
std::span<const Sha512Lanes> sha512_lanes() { return {}; }

#endif

}  // namespace cim
