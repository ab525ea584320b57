// A result that is either whole under its final name or not there at all.
#pragma once

#include <string>
#include <string_view>

// Call once, before the first Output: SIGINT, SIGTERM and SIGHUP remove temporary files, and a
// closed pipe or a file size limit becomes an error that a write reports.
void install_signal_handlers();

class Output {
 public:
  // Opens a temporary file beside `path`, so that an unwritable folder is found before the work.
  // What is no regular file (/dev/null, a FIFO) is written directly; an empty path is standard
  // output. `option` is for messages. All members throw Failure (exit 2).
  Output(std::string path, const char* option);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Writes everything and closes: a full disk shows here, at the latest.
  void write_all(const void* data, std::size_t size);
  // Gives the file its final name, in place of an earlier one.
  void commit();

 private:
  [[noreturn]] void fail(int error) const;

  std::string path_;
  std::string option_;
  std::string final_path_;
  int fd_ = -1;
  int slot_ = -1;  // of the temporary file; -1: written directly
};

// Throws Failure if two of the paths are one regular file, or would be.
void refuse_same_file(const std::string& a, const char* option_a, const std::string& b,
                      const char* option_b);
