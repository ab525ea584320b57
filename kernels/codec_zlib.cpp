#include <zlib.h>

#include "codec.hpp"
#include "failure.hpp"

std::string zlib_library_version_text() { return zlibVersion(); }

Bytes zlib_pack(const Bytes& bytes, int level) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  Bytes packed(size);
  const int status =
      compress2(packed.data(), &size, bytes.data(), static_cast<uLong>(bytes.size()), level);
  if (status != Z_OK) throw Failure(std::string("zlib could not compress: ") + zError(status));
  packed.resize(size);
  return packed;
}

Bytes zlib_unpack(const Bytes& packed, std::size_t size) {
  // One byte of room at least: zlib takes no null pointer, not even for nothing.
  Bytes bytes(size + 1);
  uLongf have = static_cast<uLongf>(size);
  const int status =
      uncompress(bytes.data(), &have, packed.data(), static_cast<uLong>(packed.size()));
  if (status != Z_OK || have != size) {
    throw Failure("--verify: zlib cannot decompress its own output", kExitVerify);
  }
  bytes.resize(size);
  return bytes;
}
