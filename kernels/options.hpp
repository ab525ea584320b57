// The command line of compress_task, checked as far as it can be without touching a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

enum class Codec { zfp, zlib };
enum class ZfpMode { tolerance, rate, precision, reversible };

struct Options {
  bool help = false;
  bool version = false;
  Codec codec = Codec::zfp;
  ZfpMode mode = ZfpMode::tolerance;
  double mode_value = 1e-3;  // absolute error, bits per value or bit planes; unused if reversible
  int level = 6;             // zlib
  bool raw_bytes = false;    // --bytes: n counts bytes, not float32 values
  std::uint64_t n = 200000;
  std::uint64_t seed = 0;
  std::string input;              // empty: generated
  std::vector<std::size_t> dims;  // fastest-varying first; empty: 1-D, as long as the input
  std::string out;                // empty: the compressed bytes are not kept
  std::string stats;              // empty: standard output
  bool verify = false;
  bool hash_input = false;
};

// Throws Failure (exit 2) that names the option and the fix.
Options parse_options(int argc, char** argv);

extern const char* const kHelp;
