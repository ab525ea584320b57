#include "generate.hpp"

#include <cstring>

namespace {

// SplitMix64 (Steele, Lea, Flood, 2014): a 64-bit counter through an integer mixer.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// One period per 2^32 of phase: two parabolas that look like a sine, in whole numbers.
// Result within [-2^28, 2^28].
std::int32_t wave(std::uint32_t phase) {
  const std::int32_t x = static_cast<std::int32_t>(phase >> 16) - 32768;
  return x * (32768 - (x < 0 ? -x : x));
}

}  // namespace

// Identical on every machine by construction: phases, waves and noise are integers, the sum stays
// below 2^24 so that its conversion to float32 is exact, and the only floating-point operation is
// a multiplication by a power of two. No libm function, no rounding, nothing for a compiler to
// fuse or reorder.
Bytes generate_values(std::size_t count, std::uint64_t seed) {
  SplitMix64 random(seed);
  const auto phase = [&] { return static_cast<std::uint32_t>(random.next()); };
  // 2^k plus up to as much again per sample: periods of 4096-8192, 512-1024 and 64-128 samples.
  const auto step = [&](int k) {
    const std::uint64_t base = std::uint64_t{1} << k;
    return static_cast<std::uint32_t>(base + (random.next() & (base - 1)));
  };
  std::uint32_t slow = phase(), middle = phase(), fast = phase();
  const std::uint32_t slow_step = step(19), middle_step = step(22), fast_step = step(25);

  Bytes bytes(count * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) {
    // In units of 2^-20: amplitudes 1, 1/4 and 1/16, noise of 1/512 either way.
    const std::int32_t noise = static_cast<std::int32_t>(random.next() >> 52) - 2048;
    const std::int32_t sum = wave(slow) / 256 + wave(middle) / 1024 + wave(fast) / 4096 + noise;
    const float value = static_cast<float>(sum) * 0x1p-20f;
    std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof value);
    slow += slow_step;
    middle += middle_step;
    fast += fast_step;
  }
  return bytes;
}

Bytes generate_bytes(std::size_t count, std::uint64_t seed) {
  SplitMix64 random(seed);
  Bytes bytes(count);
  for (std::size_t i = 0; i < count;) {
    std::uint64_t word = random.next();
    // Byte by byte from the low end, so that byte order of the machine has no part in it.
    for (int k = 0; k < 8 && i < count; ++k, word >>= 8) {
      bytes[i++] = static_cast<unsigned char>(word & 0xff);
    }
  }
  return bytes;
}
