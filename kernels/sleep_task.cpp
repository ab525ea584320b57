// A task that takes a known time: asleep (default), or busy until the processor has worked that long.
//
//   sleep_task MILLISECONDS [--busy] [--mark FILE]
//
// --mark appends two lines to FILE, "s PID UNIX_MS" when it begins and "e PID UNIX_MS" when it ends: how often and
// how long a task was executed, whatever became of it. Exit 2 for bad arguments or a file that cannot be written.
// No library: c++ -O2 -std=c++17 -o sleep_task sleep_task.cpp
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

namespace {

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "sleep_task: %s\n", message.c_str());
  std::exit(2);
}

// One write of a short line to a file opened for appending: lines of several processes do not mix.
void mark(const char* path, char what) {
  if (path == nullptr) return;
  const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  char line[80];
  const int size = std::snprintf(line, sizeof line, "%c %ld %.3f\n", what,
                                 static_cast<long>(::getpid()),
                                 static_cast<double>(now.count()) / 1000);
  if (file < 0 || ::write(file, line, static_cast<std::size_t>(size)) != size) {
    fail(std::string("cannot write --mark ") + path + ": " + std::strerror(errno));
  }
  ::close(file);
}

void sleep_for(double ms) {
  timespec left{};
  left.tv_sec = static_cast<time_t>(ms / 1000);
  left.tv_nsec = static_cast<long>(std::fmod(ms, 1000) * 1e6);
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

void work_for(double ms) {
  const auto used = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1000 + static_cast<double>(time.tv_nsec) / 1e6;
  };
  while (used() < ms) continue;
}

}  // namespace

int main(int argc, char** argv) {
  double ms = -1;
  bool busy = false;
  const char* path = nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--busy") {
      busy = true;
    } else if (word == "--mark" && i + 1 < argc) {
      path = argv[++i];
    } else {
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), ms);
      if (error != std::errc() || end != word.data() + word.size() || !(ms >= 0 && ms < 1e9)) {
        fail("'" + std::string(word) + "' is no number of milliseconds; usage: sleep_task MILLISECONDS "
             "[--busy] [--mark FILE]");
      }
    }
  }
  if (ms < 0) fail("usage: sleep_task MILLISECONDS [--busy] [--mark FILE]");
  mark(path, 's');
  if (busy) work_for(ms);
  else sleep_for(ms);
  mark(path, 'e');
  return 0;
}
