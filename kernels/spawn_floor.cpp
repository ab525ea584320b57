// How fast can processes be started on this machine at all? posix_spawn and waitpid in a loop,
// SLOTS at a time: the floor that `holdall bench spawn` compares with.
//
//   spawn_floor TASKS SLOTS [--] [CMD [ARG...]]      (default command: /bin/true)
//   spawn_floor --bag FILE SLOTS                      (each task: how many words, then the words, each ending in NUL)
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
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

extern char** environ;

namespace {

[[noreturn]] void usage(const std::string& message) {
  std::fprintf(stderr,
               "spawn_floor: %s; usage: spawn_floor TASKS SLOTS [--] [CMD [ARG...]], or "
               "spawn_floor --bag FILE SLOTS\n",
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

struct Task {
  std::string program;
  std::vector<char*> argv;  // into the bag's text, and a null
};

std::string read_bag(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) usage(std::string("cannot read --bag ") + path);
  return text;
}

std::vector<Task> parse_bag(std::string& text) {
  std::vector<Task> tasks;
  std::string last, program;
  std::size_t at = 0;
  const auto word = [&]() -> char* {
    const std::size_t end = text.find('\0', at);
    if (end == std::string::npos) usage("--bag ends within a task");
    char* start = text.data() + at;
    at = end + 1;
    return start;
  };
  while (at < text.size()) {
    Task task;
    const long words = parse_count("a number of words in --bag", word());
    for (long i = 0; i < words; ++i) task.argv.push_back(word());
    task.argv.push_back(nullptr);
    if (last != task.argv[0] || program.empty()) program = resolve(last = task.argv[0]);
    task.program = program;
    tasks.push_back(std::move(task));
  }
  if (tasks.empty()) usage("--bag is empty");
  return tasks;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) usage("TASKS and SLOTS are needed");
  long tasks = 0, slots = 0;
  std::string text;
  std::vector<Task> bag;
  if (std::strcmp(argv[1], "--bag") == 0) {
    if (argc != 4) usage("--bag takes a file and SLOTS");
    text = read_bag(argv[2]);
    bag = parse_bag(text);
    tasks = static_cast<long>(bag.size());
    slots = parse_count("SLOTS", argv[3]);
  } else {
    tasks = parse_count("TASKS", argv[1]);
    slots = parse_count("SLOTS", argv[2]);
    int first = 3;
    if (first < argc && std::strcmp(argv[first], "--") == 0) ++first;
    static char default_command[] = "/bin/true";
    Task task;
    if (first < argc) task.argv.assign(argv + first, argv + argc);
    else task.argv.push_back(default_command);
    task.argv.push_back(nullptr);
    task.program = resolve(task.argv[0]);
    bag.push_back(std::move(task));
  }
  const bool one_command = bag.size() == 1;

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  // An ignored SIGCHLD is inherited and would make the kernel drop exit statuses.
  std::signal(SIGCHLD, SIG_DFL);

  long started = 0, running = 0, failed = 0;
  int first_error = 0;
  const char* refused = nullptr;
  const auto start = std::chrono::steady_clock::now();
  while (started < tasks || running > 0) {
    if (started < tasks && running < slots) {
      pid_t pid = 0;
      const Task& task = bag[one_command ? 0 : static_cast<std::size_t>(started)];
      ++started;
      const int error = ::posix_spawn(&pid, task.program.c_str(), &actions, nullptr,
                                      task.argv.data(), environ);
      if (error == 0) {
        ++running;
      } else {
        ++failed;
        if (first_error == 0) {
          first_error = error;
          refused = task.argv[0];
        }
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
    std::fprintf(stderr, "spawn_floor: cannot start %s: %s\n", refused,
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
