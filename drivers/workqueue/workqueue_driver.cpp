// Work Queue: a manager that submits the commands of a bag, and real work_queue_workers (the protocol: ../README.md).
//
//   holdall-workqueue-driver --workers N [--nodes K] [--retries N] [--worker PROGRAM]
//   WQ_PORT: where the manager listens; any free port without it
//
// c++ -std=c++17 -O2 -pthread -o workqueue_driver workqueue_driver.cpp -lwork_queue -ldttools -lm -lssl -lcrypto -lz
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include <cctools/cctools.h>
#include <cctools/jx.h>
#include <cctools/work_queue.h>
struct jx *jx_parse_string(const char *text); // the package lacks its header
}

namespace {

constexpr const char *kYear = "31536000"; // Work Queue has no word for never
constexpr int kConnectSeconds = 60;

int workers = 1, nodes = 1, retries = 0, port = 0;
std::string worker_program = "work_queue_worker";
work_queue *manager;
std::vector<pid_t> workers_of_nodes;
std::mutex lock; // of the process ids, the bags and what is said
std::condition_variable came;
std::deque<std::string> bags;
std::atomic<bool> ending{false};

void say(const std::string &line) {
  std::lock_guard<std::mutex> guard(lock);
  std::cout << line << std::endl;
}

double clock_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// ---- processes

std::map<pid_t, std::vector<pid_t>> children_by_parent() {
  std::map<pid_t, std::vector<pid_t>> found;
  DIR *proc = opendir("/proc");
  while (dirent *entry = proc ? readdir(proc) : nullptr) {
    int pid = atoi(entry->d_name), parent = 0;
    if (pid <= 0) continue;
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(stat, text);
    size_t end = text.rfind(')');
    if (end != std::string::npos && sscanf(text.c_str() + end + 1, " %*c %d", &parent) == 1) found[parent].push_back(pid);
  }
  if (proc) closedir(proc);
  return found;
}

void add_below(pid_t root, std::set<pid_t> &tree) {
  auto by_parent = children_by_parent();
  std::vector<pid_t> left = {root};
  while (!left.empty()) {
    pid_t pid = left.back();
    left.pop_back();
    for (pid_t child : by_parent[pid])
      if (tree.insert(child).second) left.push_back(child);
  }
}

// What was seen below it goes too, though it may have come to us meanwhile.
void end_tree(pid_t root, double warning_s) {
  std::set<pid_t> tree = {root};
  add_below(root, tree);
  if (warning_s > 0) {
    kill(root, SIGTERM);
    double limit = clock_seconds(CLOCK_MONOTONIC) + warning_s;
    siginfo_t ended{};
    while (clock_seconds(CLOCK_MONOTONIC) < limit) {
      add_below(root, tree);
      if (waitid(P_PID, static_cast<id_t>(root), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == root) break;
      usleep(10000);
    }
  }
  for (size_t before = 0; before != tree.size();) {
    before = tree.size();
    for (pid_t pid : std::vector<pid_t>(tree.begin(), tree.end())) add_below(pid, tree);
    for (pid_t pid : tree) kill(pid, SIGKILL);
  }
}

[[noreturn]] void end(int code) {
  if (ending.exchange(true))
    for (;;) pause();
  for (;;) {
    pid_t ended;
    while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) continue;
    if (ended < 0) _exit(code);
    std::set<pid_t> tree;
    add_below(getpid(), tree);
    for (pid_t pid : tree) kill(pid, SIGKILL);
    usleep(1000);
  }
}

[[noreturn]] void give_up(const std::string &why) {
  std::cerr << why << std::endl;
  end(1);
}

void start_worker(int node) {
  std::string cores = std::to_string(workers / nodes + (node < workers % nodes ? 1 : 0)), address = std::to_string(port);
  pid_t pid = fork();
  if (pid < 0) give_up(std::string("fork: ") + strerror(errno));
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    // Debian's says on stderr, for people, what it connects to.
    execlp(worker_program.c_str(), "work_queue_worker", "--single-shot", "-t", kYear, "--cores", cores.c_str(), "-s", ".",
           "127.0.0.1", address.c_str(), nullptr);
    fprintf(stderr, "%s: %s\n", worker_program.c_str(), strerror(errno));
    _exit(127);
  }
  std::lock_guard<std::mutex> guard(lock);
  workers_of_nodes[static_cast<size_t>(node)] = pid;
}

void check_workers() {
  std::lock_guard<std::mutex> guard(lock);
  for (pid_t pid : workers_of_nodes) {
    int status;
    if (pid > 0 && waitpid(pid, &status, WNOHANG) == pid)
      std::thread([=] { give_up("work_queue_worker ended by itself, status " + std::to_string(status)); }).detach();
  }
}

void kill_node(int node, double warning_s) {
  pid_t old;
  {
    std::lock_guard<std::mutex> guard(lock);
    old = workers_of_nodes.at(static_cast<size_t>(node));
    workers_of_nodes[static_cast<size_t>(node)] = 0;
  }
  end_tree(old, warning_s);
  waitpid(old, nullptr, 0);
  start_worker(node);
  say("{\"type\":\"killed\",\"node\":" + std::to_string(node) + "}");
}

// ---- the protocol

void listen() {
  for (std::string text; std::getline(std::cin, text);) {
    jx *line = jx_parse_string(text.c_str());
    const char *type = line ? jx_lookup_string(line, "type") : nullptr;
    if (!type) give_up("a line that is not understood: " + text);
    if (strcmp(type, "run") == 0) {
      std::lock_guard<std::mutex> guard(lock);
      bags.push_back(jx_lookup_string(line, "tasks"));
      came.notify_one();
    } else if (strcmp(type, "kill") == 0) {
      jx *warning = jx_lookup(line, "warning_s");
      double seconds = !warning ? 0 : jx_istype(warning, JX_DOUBLE) ? warning->u.double_value : static_cast<double>(jx_lookup_integer(line, "warning_s"));
      std::thread(kill_node, static_cast<int>(jx_lookup_integer(line, "node")), seconds).detach();
    }
    jx_delete(line);
  }
  end(0);
}

std::string quoted(const char *word) { // for the shell that workers give commands to
  std::string out = "'";
  for (; *word; word++) out += *word == '\'' ? std::string("'\\''") : std::string(1, *word);
  return out + "'";
}

std::vector<std::string> commands_of(const std::string &path) {
  std::vector<std::string> commands;
  std::ifstream file(path);
  if (!file) give_up("cannot read " + path);
  for (std::string text; std::getline(file, text);) {
    jx *line = jx_parse_string(text.c_str());
    std::string command;
    for (struct jx_item *item = jx_lookup(line, "argv")->u.items; item; item = item->next)
      command += (command.empty() ? "" : " ") + quoted(item->value->u.string_value);
    commands.push_back(command + " >/dev/null 2>&1");
    jx_delete(line);
  }
  return commands;
}

void submit(const std::string &command, int try_number) {
  work_queue_task *task = work_queue_task_create(command.c_str());
  work_queue_task_specify_cores(task, 1);
  work_queue_task_specify_tag(task, std::to_string(try_number).c_str());
  work_queue_task_specify_max_retries(task, retries + 1); // of lost workers; it counts executions
  work_queue_submit(manager, task);
}

void run(const std::string &path) {
  std::vector<std::string> commands = commands_of(path);
  double started = clock_seconds(CLOCK_MONOTONIC);
  size_t done = 0;
  for (const std::string &command : commands) submit(command, 0);
  while (!work_queue_empty(manager)) {
    work_queue_task *task = work_queue_wait(manager, 5);
    check_workers();
    if (!task) continue;
    int tries = atoi(task->tag);
    if (task->result == WORK_QUEUE_RESULT_SUCCESS && task->return_status == 0) done++;
    else if (task->result == WORK_QUEUE_RESULT_SUCCESS && tries < retries) submit(task->command_line, tries + 1);
    work_queue_task_delete(task);
  }
  double wall_s = clock_seconds(CLOCK_MONOTONIC) - started;
  char text[200];
  snprintf(text, sizeof text, "{\"type\":\"ran\",\"done\":%zu,\"failed\":%zu,\"wall_s\":%.6f}", done, commands.size() - done, wall_s);
  if (!ending) say(text);
}

// ---- the start

std::string version() {
  char *text = nullptr;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  cctools_version_print(stream, "x");
  fclose(stream);
  std::string all = text;
  free(text);
  size_t at = all.find("version ");
  if (at == std::string::npos) return "";
  return all.substr(at + 8, all.find_first_of(" (\n", at + 8) - at - 8);
}

int connected() {
  work_queue_stats stats;
  work_queue_get_stats(manager, &stats);
  return stats.workers_connected;
}

int wanted_port() { // WQ_PORT, as in the studies that this continues; any port without it
  const char *text = getenv("WQ_PORT");
  if (!text || !*text) return WORK_QUEUE_RANDOM_PORT;
  char *rest = nullptr;
  long number = strtol(text, &rest, 10);
  if (*rest || number < 1 || number > 65535) give_up(std::string("WQ_PORT is not a port, 1 to 65535: ") + text);
  return static_cast<int>(number);
}

double process_age() { // seconds since exec, which is before main
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  unsigned long long ticks = 0;
  sscanf(text.c_str() + text.rfind(')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks);
  return clock_seconds(CLOCK_BOOTTIME) - static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

} // namespace

int main(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i], value = argv[i + 1];
    if (name == "--workers") workers = atoi(value.c_str());
    else if (name == "--nodes") nodes = atoi(value.c_str());
    else if (name == "--retries") retries = atoi(value.c_str());
    else if (name == "--worker") worker_program = value;
    else give_up("unknown option " + name);
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, SIG_IGN); // Ctrl-C reaches who started us, who ends us
  // SIGTERM to a thread of its own: what the end does is not for a signal handler.
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
  std::thread([term] {
    int number;
    sigwait(&term, &number);
    end(0);
  }).detach();
  std::thread(listen).detach();

  port = wanted_port();
  manager = work_queue_create(port);
  if (!manager && port > 0) give_up("port " + std::to_string(port) + " is taken: set WQ_PORT to another one, or unset it");
  if (!manager) give_up("no port can be listened on");
  port = work_queue_port(manager);
  workers_of_nodes.resize(static_cast<size_t>(nodes));
  for (int node = 0; node < nodes; node++) start_worker(node);
  double limit = clock_seconds(CLOCK_MONOTONIC) + kConnectSeconds;
  while (connected() < nodes) {
    work_queue_task *none = work_queue_wait(manager, 1);
    if (none) work_queue_task_delete(none);
    check_workers();
    if (clock_seconds(CLOCK_MONOTONIC) > limit) give_up("not every work_queue_worker connected within 60 s");
    usleep(2000);
  }
  char ready[300];
  snprintf(ready, sizeof ready, "{\"type\":\"ready\",\"version\":\"%s\",\"startup_s\":%.3f,\"manager_pid\":%d}",
           version().c_str(), process_age(), getpid());
  say(ready);
  for (;;) {
    std::string path;
    {
      std::unique_lock<std::mutex> guard(lock);
      came.wait(guard, [] { return !bags.empty(); });
      path = bags.front();
      bags.pop_front();
    }
    run(path);
  }
}
