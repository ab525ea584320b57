// Input data that depend on the seed and on nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

using Bytes = std::vector<unsigned char>;

// `count` float32 values: a smooth curve with noise on it, all within [-2, 2].
Bytes generate_values(std::size_t count, std::uint64_t seed);

// `count` bytes without structure.
Bytes generate_bytes(std::size_t count, std::uint64_t seed);
