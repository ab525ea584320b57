#include <zfp.h>

#include <memory>

#include "codec.hpp"
#include "failure.hpp"

#if ZFP_VERSION_MAJOR < 1
#error "zfp 1.0 or later is needed: earlier ones count values in 32 bits"
#endif

namespace {

using Stream = std::unique_ptr<zfp_stream, decltype(&zfp_stream_close)>;
using Field = std::unique_ptr<zfp_field, decltype(&zfp_field_free)>;
using Bits = std::unique_ptr<bitstream, decltype(&stream_close)>;

Field make_field(const Bytes& values, const std::vector<std::size_t>& dims) {
  // zfp reads only; its interface predates const.
  void* data = const_cast<unsigned char*>(values.data());
  zfp_field* field = nullptr;
  if (dims.size() == 1) field = zfp_field_1d(data, zfp_type_float, dims[0]);
  if (dims.size() == 2) field = zfp_field_2d(data, zfp_type_float, dims[0], dims[1]);
  if (dims.size() == 3) field = zfp_field_3d(data, zfp_type_float, dims[0], dims[1], dims[2]);
  return Field(field, zfp_field_free);
}

std::string describe(const std::vector<std::size_t>& dims) {
  std::string text;
  for (const std::size_t side : dims) text += (text.empty() ? "" : ",") + std::to_string(side);
  return text;
}

}  // namespace

std::string zfp_library_version_text() {
  const unsigned v = zfp_library_version;
  return std::to_string(v >> 12) + "." + std::to_string((v >> 8) & 15) + "." +
         std::to_string((v >> 4) & 15);
}

Bytes zfp_pack(const Bytes& values, const std::vector<std::size_t>& dims, ZfpMode mode,
               double mode_value) {
  const Field field = make_field(values, dims);
  const Stream zfp(zfp_stream_open(nullptr), zfp_stream_close);
  switch (mode) {
    case ZfpMode::tolerance:
      zfp_stream_set_accuracy(zfp.get(), mode_value);
      break;
    case ZfpMode::rate:
      zfp_stream_set_rate(zfp.get(), mode_value, zfp_type_float,
                          static_cast<unsigned>(dims.size()), zfp_false);
      break;
    case ZfpMode::precision:
      zfp_stream_set_precision(zfp.get(), static_cast<unsigned>(mode_value));
      break;
    case ZfpMode::reversible:
      zfp_stream_set_reversible(zfp.get());
      break;
  }

  Bytes packed(zfp_stream_maximum_size(zfp.get(), field.get()));
  const Bits bits(stream_open(packed.data(), packed.size()), stream_close);
  zfp_stream_set_bit_stream(zfp.get(), bits.get());
  zfp_stream_rewind(zfp.get());
  if (zfp_write_header(zfp.get(), field.get(), ZFP_HEADER_FULL) == 0) {
    throw Failure("zfp cannot describe the shape " + describe(dims) +
                  "; sides are limited to 2^24 in 2-D and 2^16 in 3-D, so split the file");
  }
  const std::size_t size = zfp_compress(zfp.get(), field.get());
  if (size == 0) throw Failure("zfp could not compress the shape " + describe(dims));
  packed.resize(size);
  return packed;
}

Bytes zfp_unpack(const Bytes& packed, const std::vector<std::size_t>& dims) {
  const Bits bits(stream_open(const_cast<unsigned char*>(packed.data()), packed.size()),
                  stream_close);
  const Stream zfp(zfp_stream_open(bits.get()), zfp_stream_close);
  const Field field(zfp_field_alloc(), zfp_field_free);
  zfp_stream_rewind(zfp.get());
  std::size_t expected[4] = {};
  for (std::size_t i = 0; i < dims.size(); ++i) expected[i] = dims[i];
  if (zfp_read_header(zfp.get(), field.get(), ZFP_HEADER_FULL) == 0 ||
      field->type != zfp_type_float || field->nx != expected[0] || field->ny != expected[1] ||
      field->nz != expected[2] || field->nw != 0) {
    throw Failure("--verify: the compressed header does not give the shape " + describe(dims),
                  kExitVerify);
  }
  Bytes values(zfp_field_size(field.get(), nullptr) * sizeof(float));
  zfp_field_set_pointer(field.get(), values.data());
  if (zfp_decompress(zfp.get(), field.get()) == 0) {
    throw Failure("--verify: zfp cannot decompress its own output", kExitVerify);
  }
  return values;
}
