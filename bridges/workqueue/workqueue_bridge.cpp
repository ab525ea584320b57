// The Work Queue bridge: a manager that dispatches what a Holdall worker hands it as JSON lines (bridges/README.md).
//
//   holdall-workqueue --launcher FILE --cpus N --memory BYTES [--port N] [--project NAME] [--password FILE] [--attach]
//                     [--stage on|off] --context FILE
//
// Each attempt is a Work Queue task whose command starts Holdall's launcher. The launcher and the context file are declared
// as cached inputs, so Work Queue brings them to every worker once. So are, with --stage on (the default with --attach),
// the inputs of the attempt itself, and its outputs are brought back; otherwise its files are used in place.
// Our files lie beside the context file. Unless --attach is given, one work_queue_worker is started here and ends with us.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include <cctools/cctools.h>
#include <cctools/jx.h>
#include <cctools/link.h>
#include <cctools/work_queue.h>
struct jx *jx_parse_string(const char *text); // the package lacks its header
int __real_link_poll(struct link_info *links, int count, int msec);
int __wrap_link_poll(struct link_info *links, int count, int msec);
}

namespace {

struct Options {
  std::string launcher, context, project, password;
  double cpus = 1, memory_bytes = 0;
  int port = 0;
  bool attach = false;
  std::string stage; // on, off, or nobody said
};

// What a file looked like, and by which path Work Queue knows that.
struct Version {
  int64_t bytes, changed_s, changed_ns;
  uint64_t inode, device;
  std::string path;
};

constexpr int64_t kMegabyte = 1 << 20;
constexpr int kConnectSeconds = 20;
constexpr int kQuietSeconds = 5;          // without any worker, then the user is told
constexpr size_t kMostShown = 400;        // of what a launcher had to say
constexpr const char *kYear = "31536000"; // Work Queue has no word for never

Options options;
work_queue *queue;
struct link *input;             // stdin, as Work Queue polls it
std::string unread;             // the beginning of a line
std::map<int64_t, int> numbers; // Work Queue's of our attempts
std::map<std::string, Version> versions; // of staged inputs, by path
std::map<int64_t, std::vector<std::pair<std::string, std::string>>> to_rename; // outputs of attempts, once they are here
std::vector<int64_t> to_cancel;
std::string folder;
pid_t worker = -1;

std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    char escape[8];
    if (c == '"' || c == '\\') out += '\\', out += static_cast<char>(c);
    else if (c >= 0x20 && c < 0x7f) out += static_cast<char>(c);
    else snprintf(escape, sizeof escape, "\\u%04x", c), out += escape; // each byte by itself: they need not be UTF-8
  }
  return out + '"';
}

void say(const std::string &line) {
  std::string text = line + "\n";
  for (size_t at = 0; at < text.size();) {
    ssize_t n = write(1, text.data() + at, text.size() - at);
    if (n < 0 && errno != EINTR) return; // whoever listened is gone: stdin is about to end
    if (n > 0) at += static_cast<size_t>(n);
  }
}

std::string trimmed(std::string text) {
  while (!text.empty() && strchr(" \r\n\t", text.back())) text.pop_back();
  return text;
}

std::string last_line_of(const std::string &path) {
  std::ifstream file(path);
  std::string line, last;
  while (std::getline(file, line))
    if (!trimmed(line).empty()) last = trimmed(line);
  return last;
}

// Everything below us, again and again: what processes leave is re-parented to us.
void end_descendants() {
  if (worker > 0) kill(worker, SIGKILL);
  for (;;) {
    pid_t ended;
    while ((ended = waitpid(-1, nullptr, WNOHANG)) > 0) continue;
    if (ended < 0 && errno == ECHILD) return;
    DIR *proc = opendir("/proc");
    while (dirent *entry = proc ? readdir(proc) : nullptr) {
      int pid = atoi(entry->d_name), parent = 0;
      if (pid <= 0) continue;
      std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
      std::string text;
      std::getline(stat, text);
      size_t end = text.rfind(')');
      if (end == std::string::npos || sscanf(text.c_str() + end + 1, " %*c %d", &parent) != 1) continue;
      if (parent == getpid()) kill(pid, SIGKILL);
    }
    if (proc) closedir(proc);
    usleep(1000);
  }
}

void remove_tree(const std::string &path) {
  pid_t pid = fork();
  if (pid == 0) {
    execlp("rm", "rm", "-rf", "--", path.c_str(), nullptr);
    _exit(1);
  }
  if (pid > 0) waitpid(pid, nullptr, 0);
}

[[noreturn]] void end(int code) {
  end_descendants();
  // Made by the Holdall worker, which may have had a kill -9.
  std::string above = options.context.substr(0, options.context.rfind('/') + 1);
  if (above.find("/holdall-channel-") != std::string::npos) remove_tree(above);
  _exit(code); // workers that are not ours see the connection end, and end what they run
}

[[noreturn]] void give_up(const std::string &why) {
  fprintf(stderr, "%s\n", why.c_str());
  fflush(stderr);
  end(1);
}

// ---- what the Holdall worker says

// What Work Queue makes of a path in its protocol is the path again.
bool is_plain(const std::string &path) {
  if (path.find('$') != std::string::npos) return false; // it puts its own values in the place of $OS and $ARCH
  for (size_t at = path.rfind('/') + 1; at < path.size(); at++)
    if (!isalnum(static_cast<unsigned char>(path[at])) && !strchr("._-", path[at])) return false;
  return true;
}

// Another path to the same file.
std::string link_to(const std::string &path) {
  static int count = 0;
  std::string link = folder + "/link-" + std::to_string(++count);
  if (symlink(path.c_str(), link.c_str()) < 0) give_up(link + ": " + strerror(errno));
  return link;
}

// Work Queue knows a cached file by the path that it is given, and goes on with what it has when the file changes. So a file
// that has changed is given to it by another path.
std::string path_of_version(const std::string &path, const struct stat &now) {
  Version seen = {now.st_size, now.st_ctim.tv_sec, now.st_ctim.tv_nsec, now.st_ino, now.st_dev, path};
  auto [at, first] = versions.try_emplace(path, seen);
  Version &last = at->second;
  bool same = last.bytes == seen.bytes && last.changed_s == seen.changed_s && last.changed_ns == seen.changed_ns &&
              last.inode == seen.inode && last.device == seen.device;
  if (!same || (first && !is_plain(path))) seen.path = link_to(path), last = seen;
  return last.path;
}

// Where Work Queue shall put an output: beside its place, should it not be able to say its name.
std::string path_for_output(int64_t id, const std::string &path) {
  if (is_plain(path)) return path;
  static std::map<std::string, std::string> links; // of folders
  static int count = 0;
  size_t slash = path.rfind('/');
  std::string above = path.substr(0, slash + 1);
  auto [at, first] = links.try_emplace(above, "");
  if (first) at->second = link_to(above);
  std::string name = ".holdall-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  to_rename[id].push_back({above + name, path});
  return at->second + "/" + name;
}

std::string shell_word(const std::string &text) {
  std::string word = "'";
  for (char c : text) c == '\'' ? word += "'\\''" : word += c;
  return word + "'";
}

// Calls back with path and name in the sandbox of each file of a list.
template <typename Each> void files_of(jx *line, const char *which, Each each) {
  jx *list = jx_lookup(line, which);
  if (!list || !jx_istype(list, JX_ARRAY)) return;
  for (struct jx_item *item = list->u.items; item; item = item->next) {
    const char *path = jx_lookup_string(item->value, "path"), *name = jx_lookup_string(item->value, "name");
    if (path && name) each(std::string(path), std::string(name));
  }
}

// Its protocol carries no name of a file with other than ASCII characters: there it has another one meanwhile.
std::string name_there(const std::string &name) {
  static int count = 0;
  bool ascii = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x7f; });
  return ascii ? name : ".holdall-" + std::to_string(++count);
}

// Declares the files of an attempt. Returns the command that starts it where they are.
std::string declare_files(int64_t id, work_queue_task *task, jx *line) {
  std::string before, after;
  std::vector<std::string> folders, written;
  auto need_folder = [&](const std::string &name) {
    std::string above = name.substr(0, name.rfind('/'));
    if (std::find(folders.begin(), folders.end(), above) != folders.end()) return;
    folders.push_back(above);
    before += "mkdir -p -- " + shell_word(above) + " && ";
  };
  files_of(line, "outputs", [&](const std::string &path, const std::string &name) {
    std::string there = name_there(name);
    work_queue_task_specify_file(task, path_for_output(id, path).c_str(), there.c_str(), WORK_QUEUE_OUTPUT, WORK_QUEUE_NOCACHE);
    written.push_back(name);
    if (there != name) after += "; mv -- " + shell_word(name) + " " + there + " 2>/dev/null";
    // A folder that it finds in its directory, it finds there.
    if (name.find('/') != std::string::npos && access(path.substr(0, path.rfind('/')).c_str(), F_OK) == 0) need_folder(name);
  });
  files_of(line, "inputs", [&](const std::string &path, const std::string &name) {
    struct stat now = {};
    // A folder does not tell that something in it changed. What is written to must not be what others have cached.
    bool cached = stat(path.c_str(), &now) == 0 && S_ISREG(now.st_mode) &&
                  std::find(written.begin(), written.end(), name) == written.end();
    std::string source = cached ? path_of_version(path, now) : path, there = name_there(name);
    if (!cached && !is_plain(path)) source = link_to(path) + (S_ISDIR(now.st_mode) ? "/." : "");
    work_queue_task_specify_file(task, source.c_str(), there.c_str(), WORK_QUEUE_INPUT, cached ? WORK_QUEUE_CACHE : WORK_QUEUE_NOCACHE);
    if (there == name) return;
    if (name.find('/') != std::string::npos) need_folder(name);
    before += "mv -- " + there + " " + shell_word(name) + " && ";
  });
  std::string launch = "./holdall-launcher --attempt holdall-context " + std::to_string(id);
  return before + (after.empty() ? "exec " + launch : "{ " + launch + "; code=$?" + after + "; exit $code; }");
}

void submit(int64_t id, jx *line) {
  work_queue_task *task = work_queue_task_create("");
  std::string command = declare_files(id, task, line);
  work_queue_task_specify_command(task, command.c_str());
  work_queue_task_specify_tag(task, std::to_string(id).c_str());
  work_queue_task_specify_file(task, options.launcher.c_str(), "holdall-launcher", WORK_QUEUE_INPUT, WORK_QUEUE_CACHE);
  work_queue_task_specify_file(task, options.context.c_str(), "holdall-context", WORK_QUEUE_INPUT, WORK_QUEUE_CACHE);
  jx *cpus = jx_lookup(line, "cpus");
  double wanted = cpus && jx_istype(cpus, JX_DOUBLE) ? cpus->u.double_value : static_cast<double>(jx_lookup_integer(line, "cpus"));
  int64_t memory = jx_lookup_integer(line, "memory_bytes");
  work_queue_task_specify_cores(task, wanted > 1 ? static_cast<int>(std::ceil(wanted)) : 1);
  if (memory > 0) work_queue_task_specify_memory(task, (memory + kMegabyte - 1) / kMegabyte);
  work_queue_task_specify_max_retries(task, 1); // Holdall decides what is tried again
  work_queue_task_specify_priority(task, -static_cast<double>(id)); // in order: of equals it takes the last one first
  numbers[id] = work_queue_submit(queue, task);
}

void obey(const std::string &text) {
  jx *line = jx_parse_string(text.c_str());
  const char *type = line ? jx_lookup_string(line, "type") : nullptr;
  int64_t id = line ? jx_lookup_integer(line, "id") : 0;
  if (!type) give_up("a line that is not understood: " + text.substr(0, kMostShown));
  if (strcmp(type, "start") == 0) submit(id, line);
  else if (strcmp(type, "cancel") == 0) to_cancel.push_back(id);
  else if (strcmp(type, "close") == 0) end(0);
  jx_delete(line);
}

void read_input() {
  char buffer[65536];
  ssize_t n = read(0, buffer, sizeof buffer);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) end(0); // also when the Holdall worker got kill -9
  unread.append(buffer, static_cast<size_t>(n));
  size_t from = 0;
  for (size_t at; (at = unread.find('\n', from)) != std::string::npos; from = at + 1) obey(unread.substr(from, at - from));
  unread.erase(0, from);
}

// Not while Work Queue looks at its workers: a cancel may drop one.
void cancel() {
  for (int64_t id : to_cancel) {
    auto found = numbers.find(id);
    if (found == numbers.end()) continue;
    work_queue_task *task = work_queue_cancel_by_taskid(queue, found->second);
    if (task) work_queue_task_delete(task);
    for (auto &[from, path] : to_rename[id]) remove_tree(from);
    to_rename.erase(id);
    numbers.erase(found);
  }
  to_cancel.clear();
}

// ---- what Work Queue says

void place_outputs(int64_t id) {
  auto found = to_rename.find(id);
  if (found == to_rename.end()) return;
  for (auto &[from, path] : found->second) {
    if (access(from.c_str(), F_OK) < 0 || rename(from.c_str(), path.c_str()) == 0) continue;
    remove_tree(path); // a folder
    if (rename(from.c_str(), path.c_str()) < 0) give_up(path + ": " + strerror(errno));
  }
  to_rename.erase(found);
}

void report(work_queue_task *task) {
  std::string id = task->tag ? task->tag : "0", message;
  std::string output = trimmed(task->output ? task->output : "").substr(0, kMostShown);
  if (task->result != WORK_QUEUE_RESULT_SUCCESS) message = work_queue_result_str(task->result);
  else if (task->return_status != 0) message = "exit code " + std::to_string(task->return_status);
  if (!output.empty()) message += (message.empty() ? "" : ", ") + output;
  if (task->hostname && !message.empty()) message += std::string(" (on ") + task->hostname + ")";
  numbers.erase(atoll(id.c_str()));
  place_outputs(atoll(id.c_str()));
  const char *missing = task->result == WORK_QUEUE_RESULT_OUTPUT_MISSING ? ",\"outputs\":\"missing\"" : "";
  say("{\"type\":\"done\",\"id\":" + id + ",\"message\":" + quoted(message) + missing + "}");
  work_queue_task_delete(task);
}

void check_worker() {
  int status;
  if (worker <= 0 || waitpid(worker, &status, WNOHANG) != worker) return;
  std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "exit code " + std::to_string(WEXITSTATUS(status));
  std::string words = last_line_of(folder + "/worker.log");
  worker = -1;
  give_up("work_queue_worker ended with " + how + (words.empty() ? "" : ", its last line: " + words));
}

int connected() {
  work_queue_stats stats;
  work_queue_get_stats(queue, &stats);
  return stats.workers_connected;
}

// ---- the engine

std::string version_of(const std::string &text) {
  size_t at = text.find("version ");
  if (at == std::string::npos) return "";
  size_t end = text.find_first_of(" (\n", at + 8);
  return text.substr(at + 8, end == std::string::npos ? end : end - at - 8);
}

std::string library_version() {
  char *text = nullptr;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  cctools_version_print(stream, "x");
  fclose(stream);
  std::string version = version_of(text);
  free(text);
  return version;
}

// They speak one protocol only if they are one version.
void check_version(const std::string &ours) {
  FILE *pipe = popen("work_queue_worker --version 2>/dev/null", "r");
  char text[512];
  size_t n = pipe ? fread(text, 1, sizeof text - 1, pipe) : 0;
  text[n] = 0;
  int status = pipe ? pclose(pipe) : -1;
  if (status != 0) give_up("work_queue_worker is not on the PATH");
  std::string theirs = version_of(text);
  if (theirs != ours) give_up("work_queue_worker is version " + theirs + ", the bridge was built with version " + ours);
}

void start_worker(int port) {
  std::string cores = std::to_string(static_cast<int64_t>(std::ceil(options.cpus)));
  std::string memory = std::to_string(std::max<int64_t>(1, static_cast<int64_t>(options.memory_bytes) / kMegabyte));
  std::string address = std::to_string(port), log = folder + "/worker.log";
  worker = fork();
  if (worker < 0) give_up(std::string("fork: ") + strerror(errno));
  if (worker > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int null = open("/dev/null", O_RDONLY), out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(null, 0);
  dup2(out, 1);
  dup2(out, 2);
  execlp("work_queue_worker", "work_queue_worker", "--single-shot", "--parent-death", "-t", kYear, "--cores", cores.c_str(),
         "--memory", memory.c_str(), "-s", folder.c_str(), "-P", options.password.c_str(), "127.0.0.1", address.c_str(), nullptr);
  _exit(127);
}

// Nobody but our own worker may connect to a manager that is not meant to be attached to.
void make_password() {
  options.password = folder + "/password";
  unsigned char bytes[24];
  int random = open("/dev/urandom", O_RDONLY);
  if (random < 0 || read(random, bytes, sizeof bytes) != static_cast<ssize_t>(sizeof bytes)) give_up("/dev/urandom cannot be read");
  close(random);
  int file = open(options.password.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  for (unsigned char byte : bytes) dprintf(file, "%02x", byte);
  close(file);
}

void start_engine() {
  std::string version = library_version();
  if (!options.attach) check_version(version);
  queue = work_queue_create(options.port == 0 ? WORK_QUEUE_RANDOM_PORT : options.port);
  if (!queue)
    give_up(options.port ? "port " + std::to_string(options.port) + " cannot be listened on: " + strerror(errno)
                         : std::string("no port can be listened on: ") + strerror(errno));
  if (!options.project.empty()) {
    work_queue_specify_name(queue, options.project.c_str());
    work_queue_specify_manager_mode(queue, WORK_QUEUE_MANAGER_MODE_CATALOG);
  }
  if (!options.attach) make_password();
  if (!options.password.empty() && !work_queue_specify_password_file(queue, options.password.c_str()))
    give_up("the password file " + options.password + " cannot be read");
  int port = work_queue_port(queue);
  if (!options.attach) {
    start_worker(port);
    time_t limit = time(nullptr) + kConnectSeconds;
    while (connected() == 0) {
      work_queue_task *none = work_queue_wait(queue, 1);
      if (none) work_queue_task_delete(none);
      check_worker();
      if (time(nullptr) > limit) give_up("its work_queue_worker did not connect within " + std::to_string(kConnectSeconds) + " s");
      usleep(2000);
    }
  }
  say("{\"type\":\"hello\",\"protocol\":1,\"name\":\"workqueue\",\"version\":" + quoted(version) +
      ",\"capabilities\":{\"cpus\":true,\"memory\":true,\"retries\":false,\"cancel\":true,\"staging\":true,\"files\":" +
      (options.stage == "on" ? "true" : "false") +
      ","
      "\"priorities\":false,\"output\":false}}");
  if (options.stage == "on")
    say("{\"type\":\"note\",\"text\":" +
        quoted("a task that declares files finds these where it runs, and nothing else of its directory (--wq-stage off: it "
               "runs there)") + "}");
  if (options.attach)
    say("{\"type\":\"note\",\"text\":" +
        quoted("Work Queue manager on port " + std::to_string(port) +
               (options.project.empty() ? "" : ", project " + options.project) + ", workers may connect") + "}");
}

void read_options(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    std::string name = argv[i];
    if (name == "--attach") {
      options.attach = true;
      continue;
    }
    if (i + 1 == argc) give_up(name + " needs a value");
    std::string value = argv[++i];
    if (name == "--launcher") options.launcher = value;
    else if (name == "--context") options.context = value;
    else if (name == "--project") options.project = value;
    else if (name == "--password") options.password = value;
    else if (name == "--stage") options.stage = value;
    else if (name == "--cpus") options.cpus = atof(value.c_str());
    else if (name == "--memory") options.memory_bytes = atof(value.c_str());
    else if (name == "--port") options.port = atoi(value.c_str());
    else give_up("unknown option " + name);
  }
  if (options.stage.empty()) options.stage = options.attach ? "on" : "off";
  if (options.launcher.empty() || options.context.empty()) give_up("--launcher and --context are needed");
}

} // namespace

// work_queue_wait() sees a new task only between two waits, up to a second apart. So our stdin is polled together with
// its workers; a submission inside changes none of what that poll is about.
int __wrap_link_poll(struct link_info *links, int count, int msec) {
  static std::vector<link_info> all;
  all.assign(links, links + count);
  all.push_back({input, LINK_READ, 0});
  int ready = __real_link_poll(all.data(), count + 1, msec);
  for (int i = 0; i < count; i++) links[i].revents = all[static_cast<size_t>(i)].revents;
  if (all.back().revents) {
    ready--;
    read_input();
  }
  return ready;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  read_options(argc, argv);
  std::string name = options.context.substr(0, options.context.rfind('/') + 1) + "workqueue";
  if (mkdir(name.c_str(), 0700) < 0) give_up(name + ": " + strerror(errno));
  folder = name;
  if (chdir(folder.c_str()) < 0) give_up(std::string("chdir: ") + strerror(errno));
  input = link_attach_to_fd(0);
  start_engine();
  bool told = !options.attach;
  time_t quiet_until = time(nullptr) + kQuietSeconds;
  for (;;) {
    if (numbers.empty()) {
      pollfd ready = {0, POLLIN, 0};
      poll(&ready, 1, 500);
      if (ready.revents) read_input();
    }
    work_queue_task *task = work_queue_wait(queue, 1);
    if (task) report(task);
    cancel();
    check_worker();
    if (!told && time(nullptr) >= quiet_until && !numbers.empty()) {
      told = true;
      if (connected() == 0) say("{\"type\":\"note\",\"text\":\"no Work Queue worker has connected yet\"}");
    }
  }
}
