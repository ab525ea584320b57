// The kernel of the bags that are run and measured: make or read data, compress it with zfp or
// zlib, check it if asked to, and leave the compressed bytes and one line of figures.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>

#include "build_id.hpp"
#include "codec.hpp"
#include "failure.hpp"
#include "generate.hpp"
#include "input.hpp"
#include "options.hpp"
#include "output.hpp"
#include "sha256.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

float value_at(const Bytes& values, std::size_t index) {
  float value;
  std::memcpy(&value, values.data() + index * sizeof value, sizeof value);
  return value;
}

std::string at_value(std::size_t index) { return "value " + std::to_string(index); }

// Shape of the input, which a file must have exactly.
std::vector<std::size_t> shape_of(const Options& options, const Bytes& input) {
  if (options.input.empty()) return {static_cast<std::size_t>(options.n)};
  const std::string size = "--input " + options.input + " has " + std::to_string(input.size()) +
                           " bytes, ";
  if (options.dims.empty()) {
    if (input.empty() || input.size() % sizeof(float) != 0) {
      throw Failure(size + "no whole number of float32 values (4 bytes each); give a file of "
                           "float32 values, or --codec zlib for any file");
    }
    return {input.size() / sizeof(float)};
  }
  std::size_t expected = sizeof(float);
  for (const std::size_t side : options.dims) expected *= side;
  if (input.size() != expected) {
    throw Failure(size + "but --dims asks for " + std::to_string(expected) +
                  "; correct --dims or the file");
  }
  return options.dims;
}

// zfp's lossy modes are undefined for NaN and infinity.
void require_finite(const Options& options, const Bytes& values) {
  for (std::size_t i = 0; i < values.size() / sizeof(float); ++i) {
    if (!std::isfinite(value_at(values, i))) {
      throw Failure("--input " + options.input + ": " + at_value(i) +
                    " is not finite, which only --reversible keeps; add --reversible");
    }
  }
}

// The largest absolute error, after checking it against what the mode promises.
double check_values(const Options& options, const Bytes& input, const Bytes& output) {
  if (options.mode == ZfpMode::reversible) {
    if (input != output) throw Failure("--verify: --reversible changed the data", kExitVerify);
    return 0;
  }
  double worst = 0;
  std::size_t worst_at = 0;
  for (std::size_t i = 0; i < input.size() / sizeof(float); ++i) {
    const double error = std::fabs(static_cast<double>(value_at(input, i)) -
                                   static_cast<double>(value_at(output, i)));
    if (!std::isfinite(error)) {
      throw Failure("--verify: " + at_value(i) + " came back as not finite; keep more bits",
                    kExitVerify);
    }
    if (error > worst) {
      worst = error;
      worst_at = i;
    }
  }
  if (options.mode == ZfpMode::tolerance && worst > options.mode_value) {
    throw Failure("--verify: " + at_value(worst_at) + " is off by " + number("%.9g", worst) +
                      ", more than --tolerance " + number("%.9g", options.mode_value) +
                      "; float32 may be too coarse for it: allow more, or use --reversible",
                  kExitVerify);
  }
  return worst;
}

int run(const Options& options) {
  const auto start = Clock::now();
  const bool zfp = options.codec == Codec::zfp;

  refuse_same_file(options.input, "--input", options.out, "--out");
  refuse_same_file(options.input, "--input", options.stats, "--stats");
  refuse_same_file(options.out, "--out", options.stats, "--stats");
  std::optional<Output> out;
  if (!options.out.empty()) out.emplace(options.out, "--out");
  Output stats(options.stats, "--stats");

  const auto generate_start = Clock::now();
  const auto n = static_cast<std::size_t>(options.n);
  const Bytes input = !options.input.empty() ? read_input(options.input)
                      : options.raw_bytes    ? generate_bytes(n, options.seed)
                                             : generate_values(n, options.seed);
  const double generate_ms = ms_since(generate_start);
  const auto dims = zfp ? shape_of(options, input) : std::vector<std::size_t>{};
  if (zfp && !options.input.empty() && options.mode != ZfpMode::reversible) {
    require_finite(options, input);
  }

  const auto compress_start = Clock::now();
  const Bytes packed = zfp ? zfp_pack(input, dims, options.mode, options.mode_value)
                           : zlib_pack(input, options.level);
  const double compress_ms = ms_since(compress_start);

  std::string max_abs_error = "null";
  if (options.verify && zfp) {
    max_abs_error = number("%.9g", check_values(options, input, zfp_unpack(packed, dims)));
  } else if (options.verify) {
    if (zlib_unpack(packed, input.size()) != input) {
      throw Failure("--verify: zlib changed the data", kExitVerify);
    }
    max_abs_error = "0";
  }

  const std::string sha256 = sha256_hex(packed.data(), packed.size());
  if (out) out->write_all(packed.data(), packed.size());

  const bool counts_bytes = !zfp && (options.raw_bytes || !options.input.empty());
  const std::size_t values = counts_bytes ? input.size() : input.size() / sizeof(float);
  const double ratio = static_cast<double>(input.size()) / static_cast<double>(packed.size());
  std::string line = std::string("{\"codec\":\"") + (zfp ? "zfp" : "zlib") + "\"";
  const auto field = [&](const char* name, const std::string& text) {
    line += std::string(",\"") + name + "\":" + text;
  };
  field("library_version",
        "\"" + (zfp ? zfp_library_version_text() : zlib_library_version_text()) + "\"");
  field("seed", options.input.empty() ? std::to_string(options.seed) : "null");
  field("n", std::to_string(values));
  field("bytes_in", std::to_string(input.size()));
  field("bytes_out", std::to_string(packed.size()));
  field("ratio", number("%.6g", ratio));
  field("generate_ms", number("%.3f", generate_ms));
  field("compress_ms", number("%.3f", compress_ms));
  const std::string input_sha256 =
      options.hash_input ? sha256_hex(input.data(), input.size()) : std::string();
  field("total_ms", number("%.3f", ms_since(start)));
  field("sha256", "\"" + sha256 + "\"");
  if (options.hash_input) field("input_sha256", "\"" + input_sha256 + "\"");
  field("max_abs_error", max_abs_error);
  field("binary", "\"" + build_id() + "\"");
  line += "}\n";

  // Everything is on disk before anything gets its name, and the stats come last: where they are,
  // the rest is.
  stats.write_all(line.data(), line.size());
  if (out) out->commit();
  stats.commit();
  return 0;
}

int fail(const std::string& message, int exit_code) {
  std::string line = "compress_task: " + message;
  for (char& c : line) {
    // One line, whatever a file name contains.
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  std::fprintf(stderr, "%s\n", line.c_str());
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    install_signal_handlers();
    if (options.help || options.version) {
      const std::string text =
          options.help ? kHelp
                       : "compress_task " KERNELS_VERSION " (zfp " + zfp_library_version_text() +
                             ", zlib " + zlib_library_version_text() + ")\n";
      Output("", options.help ? "--help" : "--version").write_all(text.data(), text.size());
      return 0;
    }
    return run(options);
  } catch (const Failure& failure) {
    return fail(failure.what(), failure.exit_code);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory for this much data; give a smaller --n, --bytes or --input", 2);
  } catch (const std::exception& error) {
    return fail(std::string("unexpected: ") + error.what(), 2);
  }
}
