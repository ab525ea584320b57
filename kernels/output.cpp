#include "output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "failure.hpp"

namespace {

// Plain arrays: a signal handler may read them at any moment. Slot in use: first byte not zero.
char temporary[2][PATH_MAX];

extern "C" void remove_and_die(int signal_number) {
  for (const auto& path : temporary) {
    if (path[0] != '\0') ::unlink(path);
  }
  // SA_RESETHAND restored the default action: this time it ends the process, with its signal.
  ::raise(signal_number);
}

// Between creating or renaming a file and noting it, no signal may get in.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsHeld() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

const char* fix_for(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "; create the folder first or choose another path";
    case EISDIR:
      return "; give the name of a file in it";
    case ENOSPC:
    case EDQUOT:
      return "; free some space or choose another path";
    case EFBIG:
      return "; raise the file size limit (ulimit -f)";
    default:
      return "; choose another path";
  }
}

}  // namespace

void install_signal_handlers() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  struct sigaction action {};
  action.sa_handler = remove_and_die;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    // What the caller ignores (nohup) stays ignored.
    if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
      ::sigaction(number, &action, nullptr);
    }
  }
}

Output::Output(std::string path, const char* option) : path_(std::move(path)), option_(option) {
  if (path_.empty()) {
    fd_ = STDOUT_FILENO;
    return;
  }
  struct stat info {};
  const bool exists = ::stat(path_.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) fail(EISDIR);
  if (exists && !S_ISREG(info.st_mode)) {
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail(errno);
    return;
  }
  // Renaming would replace a write-protected file without asking.
  if (exists && ::access(path_.c_str(), W_OK) != 0) fail(errno);

  final_path_ = path_;
  if (exists) {
    // Through a link: replace what it points at, not the link.
    if (char* real = ::realpath(path_.c_str(), nullptr)) {
      final_path_ = real;
      std::free(real);
    }
  }
  const std::size_t slash = final_path_.rfind('/');
  const std::string name =
      (slash == std::string::npos ? "" : final_path_.substr(0, slash + 1)) +
      ".compress_task.XXXXXX";
  if (name.size() >= PATH_MAX) fail(ENAMETOOLONG);
  // The temporary name is short, the final one may not fit.
  if (final_path_.size() - (slash == std::string::npos ? 0 : slash + 1) > NAME_MAX) {
    fail(ENAMETOOLONG);
  }

  const SignalsHeld held;
  const int slot = temporary[0][0] == '\0' ? 0 : 1;
  char* buffer = temporary[slot];
  std::memcpy(buffer, name.c_str(), name.size() + 1);
  fd_ = ::mkostemp(buffer, O_CLOEXEC);
  if (fd_ < 0) {
    const int error = errno;
    buffer[0] = '\0';
    fail(error);
  }
  slot_ = slot;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd_, exists ? (info.st_mode & 0777) : (0666 & ~mask));
}

Output::~Output() {
  if (fd_ >= 0 && fd_ != STDOUT_FILENO) ::close(fd_);
  if (slot_ >= 0) {
    const SignalsHeld held;
    ::unlink(temporary[slot_]);
    temporary[slot_][0] = '\0';
  }
}

void Output::fail(int error) const {
  throw Failure("cannot write " + option_ + " " + (path_.empty() ? "to standard output" : path_) +
                ": " + std::strerror(error) + fix_for(error));
}

void Output::write_all(const void* data, std::size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t wrote = ::write(fd_, from, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail(errno);
    from += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
  // Network file systems report a full disk only here.
  const int closing = std::exchange(fd_, -1);
  if (::close(closing) != 0 && errno != EINTR) fail(errno);
}

void Output::commit() {
  if (slot_ < 0) return;
  const SignalsHeld held;
  if (::rename(temporary[slot_], final_path_.c_str()) != 0) fail(errno);
  temporary[slot_][0] = '\0';
  slot_ = -1;
}

void refuse_same_file(const std::string& a, const char* option_a, const std::string& b,
                      const char* option_b) {
  if (a.empty() || b.empty()) return;
  namespace fs = std::filesystem;
  std::error_code error_a, error_b;
  // Absolute first: a relative path of which nothing exists stays as it is.
  const auto real_a = fs::weakly_canonical(fs::absolute(a, error_a), error_a);
  const auto real_b = fs::weakly_canonical(fs::absolute(b, error_b), error_b);
  struct stat info_a {}, info_b {};
  const bool both = ::stat(a.c_str(), &info_a) == 0 && ::stat(b.c_str(), &info_b) == 0;
  // Two results may both go to /dev/null.
  if (both && !S_ISREG(info_a.st_mode)) return;
  const bool linked = both && info_a.st_dev == info_b.st_dev && info_a.st_ino == info_b.st_ino;
  if (linked || (!error_a && !error_b && real_a == real_b)) {
    throw Failure(std::string(option_a) + " and " + option_b + " are the same file " + b +
                  "; give two different files");
  }
}
