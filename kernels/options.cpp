#include "options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <set>
#include <string_view>

#include "failure.hpp"

const char* const kHelp =
    R"(compress_task: generate or read data, compress it, report what that cost

  compress_task [--codec zfp|zlib] [options]

data, generated (the same for a seed on every machine)
  --n COUNT            float32 values (default 200000)
  --bytes COUNT        zlib: pseudo-random bytes instead of float32 values
  --seed N             0 to 2^53-1 (default 0)
data, read
  --input FILE         zfp: little-endian float32 values; zlib: any file
  --dims NX[,NY[,NZ]]  zfp: shape of the file, x varies fastest (default: 1-D)
zfp, one of
  --tolerance E        largest absolute error (default 1e-3)
  --rate BITS          bits per value, up to 32
  --precision BITS     bit planes kept, 1 to 32
  --reversible         lossless
zlib
  --level L            0 to 9 (default 6)
results
  --out FILE           the compressed bytes (default: not kept)
  --stats FILE         one line of JSON (default: standard output)
  --verify             decompress and report the largest error
  --hash-input         add input_sha256 to the stats
  --help, --version

Exit: 0 done, 1 --verify found a difference that is not allowed, 2 bad argument or file.
)";

namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "--codec", "--n",     "--bytes",     "--seed",       "--input",  "--dims",
    "--rate",  "--level", "--precision", "--reversible", "--out",    "--stats",
    "--help",  "--verify", "--hash-input", "--version",  "--tolerance"};
const std::set<std::string_view> kFlags = {"--reversible", "--verify", "--hash-input", "--help",
                                           "--version"};

// A float32 field must be addressable in bytes.
constexpr std::uint64_t kMaxBytes = std::numeric_limits<std::ptrdiff_t>::max();
constexpr std::uint64_t kMaxValues = kMaxBytes / sizeof(float);
// Every JSON reader holds integers up to here exactly.
constexpr std::uint64_t kMaxSeed = (std::uint64_t{1} << 53) - 1;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

[[noreturn]] void unknown_option(const std::string& name) {
  std::string message = "unknown option " + name;
  // A very long word is no slip of the keyboard, and its distance would be slow to compute.
  if (name.size() <= 32) {
    const auto nearest = *std::min_element(
        kNames.begin(), kNames.end(), [&](std::string_view a, std::string_view b) {
          return edit_distance(name, a) < edit_distance(name, b);
        });
    if (edit_distance(name, nearest) <= 3) {
      message += "; did you mean " + std::string(nearest) + "?";
    }
  }
  throw Failure(message + " (--help lists all options)");
}

[[noreturn]] void bad_value(const std::string& option, const std::string& value,
                            const std::string& expected) {
  throw Failure(option + " '" + value + "' " + expected);
}

std::uint64_t parse_count(const std::string& option, const std::string& text, std::uint64_t min,
                          std::uint64_t max) {
  const std::string range =
      "give a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size();
  if (whole && error == std::errc::result_out_of_range) {
    bad_value(option, text, "is too large; " + range);
  }
  if (!whole || error != std::errc()) {
    if (text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9') {
      bad_value(option, text, "is negative; " + range);
    }
    bad_value(option, text, "is not a whole number; " + range);
  }
  if (value < min) bad_value(option, text, "is too small; " + range);
  if (value > max) bad_value(option, text, "is too large; " + range);
  return value;
}

double parse_positive(const std::string& option, const std::string& text, double max) {
  const std::string fix = "give a number greater than 0, such as 1e-3 or 8";
  // strtod alone would also take " 1", "inf", "nan" and hexadecimal.
  if (text.find_first_not_of("0123456789.eE+-") != std::string::npos) {
    bad_value(option, text, "is not a number; " + fix);
  }
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0') bad_value(option, text, "is not a number; " + fix);
  if (std::signbit(value)) bad_value(option, text, "is negative; " + fix);
  if (value == 0) {
    bad_value(option, text,
              option == "--tolerance" ? "is zero; use --reversible for no error at all"
                                      : "is zero; " + fix);
  }
  if (value > max || !std::isfinite(value)) {
    bad_value(option, text,
              "is too large" + (std::isfinite(max) && max < 1e6
                                    ? "; the limit is " + std::to_string(static_cast<int>(max))
                                    : "; " + fix));
  }
  return value;
}

std::vector<std::size_t> parse_dims(const std::string& text) {
  std::vector<std::size_t> dims;
  std::uint64_t product = 1;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    const auto side = parse_count("--dims", text.substr(from, comma - from), 1, kMaxValues);
    if (side > kMaxValues / product) bad_value("--dims", text, "is too large; check the sides");
    product *= side;
    dims.push_back(static_cast<std::size_t>(side));
    from = comma + 1;
  }
  if (dims.size() > 3) bad_value("--dims", text, "has more than 3 sides; give NX[,NY[,NZ]]");
  return dims;
}

// Fills `options` from one option; `value` is empty for flags.
void apply(Options& options, const std::string& name, const std::string& value) {
  if (name == "--help") {
    options.help = true;
  } else if (name == "--version") {
    options.version = true;
  } else if (name == "--codec") {
    if (value != "zfp" && value != "zlib") bad_value(name, value, "is unknown; give zfp or zlib");
    options.codec = value == "zfp" ? Codec::zfp : Codec::zlib;
  } else if (name == "--n") {
    options.n = parse_count(name, value, 1, kMaxValues);
  } else if (name == "--bytes") {
    options.n = parse_count(name, value, 1, kMaxBytes);
    options.raw_bytes = true;
  } else if (name == "--seed") {
    options.seed = parse_count(name, value, 0, kMaxSeed);
  } else if (name == "--input") {
    options.input = value;
  } else if (name == "--dims") {
    options.dims = parse_dims(value);
  } else if (name == "--tolerance") {
    options.mode = ZfpMode::tolerance;
    options.mode_value = parse_positive(name, value, std::numeric_limits<double>::max());
  } else if (name == "--rate") {
    options.mode = ZfpMode::rate;
    options.mode_value = parse_positive(name, value, 32);
  } else if (name == "--precision") {
    options.mode = ZfpMode::precision;
    options.mode_value = static_cast<double>(parse_count(name, value, 1, 32));
  } else if (name == "--reversible") {
    options.mode = ZfpMode::reversible;
  } else if (name == "--level") {
    options.level = static_cast<int>(parse_count(name, value, 0, 9));
  } else if (name == "--out") {
    options.out = value;
  } else if (name == "--stats") {
    options.stats = value;
  } else if (name == "--verify") {
    options.verify = true;
  } else if (name == "--hash-input") {
    options.hash_input = true;
  }
}

void check_combination(const Options& options, const std::set<std::string>& given) {
  const auto exclusive = [&](const std::vector<std::string>& names) {
    std::string first;
    for (const auto& name : names) {
      if (given.count(name) == 0) continue;
      if (!first.empty()) {
        throw Failure(first + " and " + name + " exclude each other; leave one of them out");
      }
      first = name;
    }
  };
  exclusive({"--tolerance", "--rate", "--precision", "--reversible"});
  exclusive({"--n", "--bytes", "--input"});
  exclusive({"--seed", "--input"});

  const bool zfp = options.codec == Codec::zfp;
  for (const char* name : {"--tolerance", "--rate", "--precision", "--reversible", "--dims"}) {
    if (!zfp && given.count(name) != 0) {
      throw Failure(std::string(name) + " is for zfp; leave it out or give --codec zfp");
    }
  }
  for (const char* name : {"--level", "--bytes"}) {
    if (zfp && given.count(name) != 0) {
      throw Failure(std::string(name) + " is for zlib; leave it out or give --codec zlib");
    }
  }
  if (!options.dims.empty() && options.input.empty()) {
    throw Failure("--dims is the shape of a file; add --input FILE or leave it out");
  }
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  std::set<std::string> given;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.size() < 2 || argument[0] != '-') {
      throw Failure("unexpected argument '" + argument +
                    "'; every argument is an option (--help lists them)");
    }
    const std::size_t equals = argument.find('=');
    const bool attached = equals != std::string::npos;
    const std::string name = argument == "-h" ? "--help" : argument.substr(0, equals);
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) unknown_option(name);

    std::string value;
    if (kFlags.count(name) != 0) {
      if (attached) throw Failure(name + " takes no value; write just " + name);
    } else {
      if (attached) {
        value = argument.substr(equals + 1);
      } else if (i + 1 < argc && std::string_view(argv[i + 1]).substr(0, 2) != "--") {
        value = argv[++i];
      }
      if (value.empty()) throw Failure(name + " needs a value; write " + name + " VALUE");
    }
    if (!given.insert(name).second) throw Failure(name + " is given twice; leave one out");
    apply(options, name, value);
    if (options.help || options.version) return options;
  }
  check_combination(options, given);
  return options;
}
