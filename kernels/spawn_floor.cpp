// How fast can processes be started on this machine at all? posix_spawn and waitpid in a loop,
// SLOTS at a time: the floor that `holdall bench spawn` compares with.
//
//   spawn_floor TASKS SLOTS [--] [CMD [ARG...]]      (default command: /bin/true)
//
// One line of JSON; exit 1 if a child did not start or did not exit 0, 2 for bad arguments.
// No library: c++ -O2 -std=c++17 -o spawn_floor spawn_floor.cpp
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

extern char** environ;

namespace {

[[noreturn]] void usage(const std::string& message) {
  std::fprintf(stderr,
               "spawn_floor: %s; usage: spawn_floor TASKS SLOTS [--] [CMD [ARG...]]\n",
               message.c_str());
  std::exit(2);
}

long parse_count(const char* what, std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) {
    usage(std::string(what) + " '" + std::string(text) + "' is not a whole number of at least 1");
  }
  return value;
}

// Once, instead of a search along PATH per child.
std::string resolve(const std::string& command) {
  if (command.find('/') != std::string::npos) return command;
  const char* path = std::getenv("PATH");
  const std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (std::size_t from = 0; from <= folders.size();) {
    const std::size_t colon = std::min(folders.find(':', from), folders.size());
    const std::string folder = folders.substr(from, colon - from);
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + command;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    from = colon + 1;
  }
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) usage("TASKS and SLOTS are needed");
  const long tasks = parse_count("TASKS", argv[1]);
  const long slots = parse_count("SLOTS", argv[2]);
  int first = 3;
  if (first < argc && std::strcmp(argv[first], "--") == 0) ++first;
  char default_command[] = "/bin/true";
  char* default_argv[] = {default_command, nullptr};
  char** command = first < argc ? argv + first : default_argv;
  const std::string program = resolve(command[0]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  // An ignored SIGCHLD is inherited and would make the kernel drop exit statuses.
  std::signal(SIGCHLD, SIG_DFL);

  long started = 0, running = 0, failed = 0;
  int first_error = 0;
  const auto start = std::chrono::steady_clock::now();
  while (started < tasks || running > 0) {
    if (started < tasks && running < slots) {
      pid_t pid = 0;
      ++started;
      const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, command, environ);
      if (error == 0) {
        ++running;
      } else {
        ++failed;
        if (first_error == 0) first_error = error;
      }
      continue;
    }
    int status = 0;
    if (::waitpid(-1, &status, 0) < 0) {
      if (errno == EINTR) continue;
      std::fprintf(stderr, "spawn_floor: waitpid: %s\n", std::strerror(errno));
      return 1;
    }
    --running;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) ++failed;
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  posix_spawn_file_actions_destroy(&actions);

  if (first_error != 0) {
    std::fprintf(stderr, "spawn_floor: cannot start %s: %s\n", command[0],
                 std::strerror(first_error));
  }
  std::printf("{\"tasks\":%ld,\"slots\":%ld,\"seconds\":%.6f,\"per_second\":%.1f,\"failed\":%ld}\n",
              tasks, slots, elapsed.count(), static_cast<double>(tasks) / elapsed.count(), failed);
  if (std::fflush(stdout) != 0) {
    std::fprintf(stderr, "spawn_floor: cannot write the result: %s\n", std::strerror(errno));
    return 2;
  }
  return failed > 0 ? 1 : 0;
}
