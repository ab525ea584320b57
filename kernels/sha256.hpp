#pragma once

#include <cstddef>
#include <string>

// 64 lower-case hexadecimal digits.
std::string sha256_hex(const unsigned char* data, std::size_t size);
