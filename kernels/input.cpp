#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "failure.hpp"

namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw Failure("cannot read --input " + path + ": " + why);
}

}  // namespace

Bytes read_input(const std::string& path) {
  // Non-blocking, or a FIFO without a writer would hang before it can be refused.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, std::string(std::strerror(errno)) + "; check path and permissions");
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) fail(path, "not a regular file; give the path of a file");

  Bytes bytes(static_cast<std::size_t>(info.st_size));
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(file.fd, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, std::strerror(errno));
    if (got == 0) fail(path, "it became shorter while it was read; run again once it is complete");
    have += static_cast<std::size_t>(got);
  }
  return bytes;
}
