// The one way compress_task ends other than well: a line for stderr and an exit code.
#pragma once

#include <stdexcept>
#include <string>

constexpr int kExitVerify = 1;  // the data did not survive the round trip
constexpr int kExitUsage = 2;   // an argument, an input or an output is at fault

struct Failure : std::runtime_error {
  explicit Failure(const std::string& message, int code = kExitUsage)
      : std::runtime_error(message), exit_code(code) {}
  int exit_code;
};
