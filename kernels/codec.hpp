// The two codecs behind the same two steps: compress, and undo it.
#pragma once

#include <string>

#include "generate.hpp"
#include "options.hpp"

// Versions of the libraries that are loaded, not of the headers compiled against.
std::string zfp_library_version_text();
std::string zlib_library_version_text();

// `values` holds float32 of the shape `dims`. The result begins with zfp's full header, so that
// it decompresses without further knowledge (`zfp -h -z FILE`).
Bytes zfp_pack(const Bytes& values, const std::vector<std::size_t>& dims, ZfpMode mode,
               double mode_value);
// Mode and shape come from the header.
Bytes zfp_unpack(const Bytes& packed, const std::vector<std::size_t>& dims);

Bytes zlib_pack(const Bytes& bytes, int level);
Bytes zlib_unpack(const Bytes& packed, std::size_t size);
