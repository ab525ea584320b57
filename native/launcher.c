// holdall-launcher: spawns the attempts of one worker and guards them.
//
// The worker writes batched frames to our stdin and reads batched frames from our stdout. When stdin ends, for
// whatever reason (close(), kill -9 of the worker), everything that was started here is killed, then we exit.
// We are a separate small process because that makes spawning cheap, the peak memory reported by wait4() the
// task's own (a child starts with the peak of the process that spawned it), and because a guard must outlive
// what it guards.
//
// A frame is u32 length of what follows, u8 type, payload; little-endian, unaligned, strings end with NUL.
//   to us    1 environment  u32 number, u32 count, "K=V"...
//            2 start        u32 id, u32 pool, u32 environment, u8 flags (1 stdout, 2 stderr captured), u32 argc,
//                           u32 extra count, cwd, argv..., extra "K=V"...
//            3 kill         u32 id, u8 signal (0: only takes it out of the queue of its pool)
//            4 width        u32 pool, u32 how many of it may run at the same time
//            5 flush
//   from us  1 hello        u8 version, u32 pid
//            2 started      u32 id, u32 pid, f64 start ms
//            3 output       u32 id, u8 stream (0 stdout, 1 stderr), bytes
//            4 exit         u32 id, u32 pool, u8 kind (0 exited, 1 signal, 2 never started, 3 dropped), u8 step,
//                           i32 code | signal | errno, f64 start ms, f64 wall us, f64 user us, f64 system us,
//                           u32 peak KiB (0: cannot be told), and for kind 2 what was tried: a path, no NUL
// src/worker/executors/launcher-frames.ts is the other side.
//
// As `holdall-launcher --attempt CONTEXT ID [NAME...]` we are started by another engine (see bridges/README.md) for one attempt:
// the frames go over a connection to the worker. The file CONTEXT holds a line with a secret and lines with where
// the worker listens ("unix PATH" or "tcp NUMERIC-ADDRESS PORT"), tried in this order. We begin with the secret and
// ID as 10 digits; a worker that does not want the attempt (any more) closes, and then nothing is started.
// The attempt also gets the variables NAME of our own environment, where the engine says which GPUs are its.
//
// `holdall-launcher --attempts CONTEXT` does that for one ID after the other, each a line of stdin, in a process forked for
// it: for engines that keep a process of theirs between attempts. To each it answers on stdout, with what there was to
// say, the exit code as `--attempt` would have had it, and a NUL.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VERSION = 1 };
enum { IN_ENVIRONMENT = 1, IN_START, IN_KILL, IN_WIDTH, IN_FLUSH };
enum { OUT_HELLO = 1, OUT_STARTED, OUT_OUTPUT, OUT_EXIT };
enum { EXITED, SIGNALED, NEVER_STARTED, DROPPED };
enum { STEP_NONE, STEP_CHDIR, STEP_EXEC, STEP_PIPE, STEP_CLONE };
enum {
  JOB_END_MS = 300,      // the signals of an engine reach all processes of a job within this time
  HOLD_US = 2000,        // reports wait this long for company while every pool has work
  HOLD_EXITS = 64,       // or until they are this many
  WATCH_US = 1500,       // most attempts end sooner: only then are their pipes worth an epoll entry
  REPORT_US = 8000,      // still running after this: `started` is reported
  FULL = 256 * 1024,     // unread reports beyond this: no pipe is read and nothing is started
  READ_SIZE = 64 * 1024, // the capacity of a pipe
  DRAIN = 1024 * 1024,   // the most a pipe can hold (fs.pipe-max-size): what a leader may leave behind
  STACK = 8 * 1024,
  MAX_FRAME = 64 * 1024 * 1024,
  MAX_NUMBER = 1 << 20,
};

struct attempt {
  struct attempt *next;
  uint32_t id, pool, environment, argc, extras;
  uint8_t flags, watched, reported, told; // told: the worker had it ended
  volatile int step, error; // written by the child, which shares our memory until it has become the task
  int pid, pipe[2], end[2]; // our ends (or -1), the task's stdout and stderr
  double start_ms, wall_us;
  uint64_t start_us;
  char *scratch;            // stack and vectors of the child
  char **argv, **envp;      // argv[-1] is spare, for /bin/sh
  char *path, *candidate;   // PATH of the task when argv[0] has no slash, room for one candidate
  char text[];              // cwd, argv..., extras...
};
struct pool { // first in first out, `width` at a time
  struct attempt *first, **last;
  uint32_t running, width;
};
struct environment {
  uint32_t count;
  char **entry;
};
struct buffer {
  char *data;
  size_t start, end, room;
};

static struct pool **pools;
static struct environment *environments;
static int in_job;       // another engine started us, and may end us
static char **handed_on; // names of variables of ours that attempts get, too
static struct attempt **running;
static uint32_t pool_count, environment_count, running_count, running_room, held_exits;
static struct buffer in, out;
static int main_poll, pipe_poll, child_signal, devnull, self, stalled, urgent, output_blocked, nofile_raised;
static uint64_t held_since, next_tick = UINT64_MAX;
static struct rlimit nofile;

static void finish(int code) __attribute__((noreturn));

static void *need(void *memory) {
  if (!memory) finish(1);
  return memory;
}

static uint64_t clock_us(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

// ---- reports

static char *reserve(struct buffer *b, size_t size) {
  if (b->start && b->start == b->end) b->start = b->end = 0;
  if (b->end + size > b->room) {
    memmove(b->data, b->data + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
    if (b->end + size > b->room) b->data = need(realloc(b->data, b->room = b->end + size + READ_SIZE));
  }
  return b->data + b->end;
}

static char *put(char *at, const void *value, size_t size) {
  memcpy(at, value, size);
  return at + size;
}

// Opens a frame whose payload has `size` bytes; the caller fills it.
static char *frame(uint8_t type, uint32_t size) {
  char *at = reserve(&out, size + 5);
  uint32_t length = size + 1;
  if (out.start == out.end) held_since = clock_us(CLOCK_MONOTONIC);
  out.end += size + 5;
  return put(put(at, &length, 4), &type, 1);
}

static int full(void) { return out.end - out.start > FULL; }

// Our own peak in KiB. Not getrusage(): that still holds the peak of the worker that we were spawned from.
static long own_peak(void) {
  static int status = -1;
  static long peak;
  static uint64_t fresh_until;
  uint64_t now = clock_us(CLOCK_MONOTONIC);
  if (now < fresh_until) return peak;
  char text[4096], *line;
  if (status < 0) status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  ssize_t n = pread(status, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = 0;
  peak = (line = strstr(text, "VmHWM:")) ? atol(line + 6) : 16 * 1024;
  fresh_until = now + 100000;
  return peak;
}

static void report_exit(const struct attempt *a, uint8_t kind, int32_t value, const struct rusage *use) {
  const char *what = a->step == STEP_CHDIR ? a->text : a->text + strlen(a->text) + 1;
  uint32_t length = kind == NEVER_STARTED ? (uint32_t)strlen(what) : 0, peak = 0;
  uint8_t step = (uint8_t)a->step;
  double user = 0, system = 0;
  if (use) {
    user = (double)use->ru_utime.tv_sec * 1e6 + (double)use->ru_utime.tv_usec;
    system = (double)use->ru_stime.tv_sec * 1e6 + (double)use->ru_stime.tv_usec;
    // A child begins with our own peak; what is not above it says nothing about the task.
    if (kind != NEVER_STARTED && use->ru_maxrss > own_peak()) peak = (uint32_t)use->ru_maxrss;
  }
  char *at = frame(OUT_EXIT, 50 + length);
  at = put(put(put(put(put(at, &a->id, 4), &a->pool, 4), &kind, 1), &step, 1), &value, 4);
  at = put(put(put(put(at, &a->start_ms, 8), &a->wall_us, 8), &user, 8), &system, 8);
  put(put(at, &peak, 4), what, length);
  held_exits++;
}

// Reads what the pipe holds (at most `limit`) straight into the reports. False when it has ended.
static int read_pipe(struct attempt *a, uint8_t stream, size_t limit) {
  while (limit > 0) {
    char *at = reserve(&out, READ_SIZE + 10);
    ssize_t n = read(a->pipe[stream], at + 10, READ_SIZE);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    put(put(frame(OUT_OUTPUT, (uint32_t)n + 5), &a->id, 4), &stream, 1);
    if (n < READ_SIZE) return 1; // a pipe gives all it has
    limit = (size_t)n < limit ? limit - (size_t)n : 0;
  }
  return 1;
}

static void close_pipe(struct attempt *a, int stream) {
  if (a->pipe[stream] < 0) return;
  if (a->watched) epoll_ctl(pipe_poll, EPOLL_CTL_DEL, a->pipe[stream], NULL);
  close(a->pipe[stream]);
  a->pipe[stream] = -1;
}

static void watch(int poll, int fd, int operation, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data.u64 = data};
  epoll_ctl(poll, operation, fd, &event);
}

static void flush(void) {
  while (out.start < out.end) {
    ssize_t n = write(1, out.data + out.start, out.end - out.start);
    if (n > 0) {
      out.start += (size_t)n;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      out.start = out.end; // nobody reads any more: stdin is about to end as well
    }
  }
  held_since = clock_us(CLOCK_MONOTONIC);
  held_exits = 0;
  urgent = 0;
  int blocked = out.start < out.end;
  if (blocked != output_blocked) watch(main_poll, 1, EPOLL_CTL_MOD, blocked ? EPOLLOUT : 0, 1);
  output_blocked = blocked;
}

// ---- starting

// The child runs beside us in the same memory until execve, so nothing here may touch errno or the heap.
#if defined(__x86_64__)
static long raw(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
}
enum { CLONE_HOW = CLONE_VM };
#elif defined(__aarch64__)
static long raw(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
enum { CLONE_HOW = CLONE_VM };
#else // errno is shared with us: we wait until the child has gone
static long raw(long number, long a, long b, long c, long d) {
  long result = syscall(number, a, b, c, d);
  return result < 0 ? -errno : result;
}
enum { CLONE_HOW = CLONE_VM | CLONE_VFORK };
#endif

static long try_exec(struct attempt *a, const char *path) {
  long error = -raw(SYS_execve, (long)path, (long)a->argv, (long)a->envp, 0);
  if (error == ENOEXEC) { // a script without #!
    a->argv[-1] = (char *)"/bin/sh";
    a->argv[0] = (char *)path;
    error = -raw(SYS_execve, (long)"/bin/sh", (long)(a->argv - 1), (long)a->envp, 0);
  }
  return error;
}

// As execvp(3), but along the PATH of the task.
static long search_exec(struct attempt *a) {
  long denied = 0;
  const char *name = a->argv[0];
  for (const char *from = a->path;; from++) {
    char *at = a->candidate;
    while (*from && *from != ':') *at++ = *from++;
    if (at > a->candidate) *at++ = '/';
    for (const char *c = name; (*at++ = *c++);) continue;
    long error = try_exec(a, a->candidate);
    if (error == EACCES) denied = error;
    else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV && error != ETIMEDOUT)
      return error;
    if (!*from) return denied ? denied : ENOENT;
  }
}

static int become_task(void *argument) {
  struct attempt *a = argument;
  uint64_t none = 0;
  raw(SYS_setsid, 0, 0, 0, 0);
  raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
  if (raw(SYS_getppid, 0, 0, 0, 0) != self) raw(SYS_exit_group, 127, 0, 0, 0); // we died before that
  if (nofile_raised) raw(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&nofile, 0);
  raw(SYS_dup3, devnull, 0, 0, 0);
  raw(SYS_dup3, a->end[0], 1, 0, 0);
  raw(SYS_dup3, a->end[1], 2, 0, 0);
  long error = -raw(SYS_chdir, (long)a->text, 0, 0, 0);
  a->step = error ? STEP_CHDIR : STEP_EXEC;
  // Handlers are all default and no signal was ignored; only the mask differs from a fresh process.
  if (!error) raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8);
  if (!error) error = a->path ? search_exec(a) : try_exec(a, a->argv[0]);
  a->error = (int)error;
  raw(SYS_exit_group, 127, 0, 0, 0);
  return 0;
}

static int open_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) < 0) {
    if (errno != EMFILE || nofile_raised || getrlimit(RLIMIT_NOFILE, &nofile) < 0) return -1;
    struct rlimit most = {nofile.rlim_max, nofile.rlim_max};
    nofile_raised = setrlimit(RLIMIT_NOFILE, &most) == 0; // the tasks still get the one we were given
    if (!nofile_raised || pipe2(ends, O_CLOEXEC) < 0) return -1;
  }
  return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

// Vectors of the child: argv as sent, and the environment with every extra entry replacing its namesake.
static void *prepare(struct attempt *a) {
  static struct environment nothing;
  struct environment *base = a->environment < environment_count ? &environments[a->environment] : &nothing;
  size_t pointers = a->argc + 2 + base->count + a->extras + 1;
  size_t text = strlen(a->text) + 1, path_room = 0;
  char *at = a->text + text;
  const char *path = "/bin:/usr/bin"; // as execvp does without PATH
  // The pointers stand above the stack: the child must not grow into them.
  a->scratch = need(malloc(STACK + pointers * sizeof(char *)));
  a->argv = (char **)(void *)(a->scratch + STACK) + 1;
  a->envp = a->argv + a->argc + 1;
  for (uint32_t i = 0; i < a->argc; i++, at += strlen(at) + 1) a->argv[i] = at;
  a->argv[a->argc] = NULL;
  uint32_t count = base->count;
  if (count) memcpy(a->envp, base->entry, count * sizeof(char *));
  for (uint32_t i = 0; i < a->extras; i++, at += strlen(at) + 1) {
    size_t name = name_length(at);
    uint32_t slot = 0;
    while (slot < count && !(strncmp(a->envp[slot], at, name) == 0 && a->envp[slot][name] == '=')) slot++;
    a->envp[slot] = at;
    if (slot == count) count++;
  }
  a->envp[count] = NULL;
  a->path = a->candidate = NULL;
  if (!a->argc || strchr(a->argv[0], '/')) return a->scratch + STACK;
  for (uint32_t i = 0; i < count; i++)
    if (strncmp(a->envp[i], "PATH=", 5) == 0) path = a->envp[i] + 5;
  path_room = strlen(path) + strlen(a->argv[0]) + 2;
  a->path = (char *)path;
  a->candidate = need(malloc(path_room));
  return a->scratch + STACK;
}

static void discard(struct attempt *a) {
  free(a->scratch);
  free(a->candidate);
  free(a);
}

static int start(struct attempt *a) {
  static const int masks[2] = {1, 2};
  a->pipe[0] = a->pipe[1] = -1;
  a->end[0] = a->end[1] = devnull;
  void *stack = prepare(a);
  a->start_ms = (double)clock_us(CLOCK_REALTIME) / 1000;
  a->start_us = clock_us(CLOCK_MONOTONIC);
  a->step = STEP_PIPE;
  for (int s = 0; s < 2; s++) {
    int ends[2] = {-1, -1};
    if (!(a->flags & masks[s])) continue;
    if (open_pipe(ends) < 0) goto failed;
    a->pipe[s] = ends[0];
    a->end[s] = ends[1];
  }
  a->step = a->argc && a->argv[0][0] ? STEP_CLONE : STEP_EXEC;
  errno = ENOENT; // of an empty command
  if (a->step == STEP_EXEC) goto failed;
  int pid = clone(become_task, (void *)((uintptr_t)stack & ~(uintptr_t)15), CLONE_HOW | SIGCHLD, a);
  if (pid < 0) goto failed;
  a->pid = pid;
  for (int s = 0; s < 2; s++)
    if (a->end[s] != devnull) close(a->end[s]);
  if (running_count == running_room) running = need(realloc(running, (running_room += 64) * sizeof *running));
  running[running_count++] = a;
  pools[a->pool]->running++;
  if (next_tick > a->start_us + WATCH_US) next_tick = a->start_us + WATCH_US;
  return 1;
failed:;
  int error = errno;
  for (int s = 0; s < 2; s++) {
    close_pipe(a, s);
    if (a->end[s] != devnull) close(a->end[s]);
  }
  report_exit(a, NEVER_STARTED, error, NULL);
  discard(a);
  return 0;
}

static void advance(struct pool *p) {
  while (p->running < p->width && p->first) {
    if (full()) {
      stalled = 1;
      return;
    }
    struct attempt *a = p->first;
    if (!(p->first = a->next)) p->last = &p->first;
    start(a);
  }
  if (p->running < p->width) urgent = 1; // ran dry
}

// ---- ending

// Engines end a job by signals to all of its processes, in no order: SIGTERM, which waits for us here, then SIGKILL.
static int job_ends(int status) {
  int end = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128;
  int waits = end == SIGTERM || end == SIGKILL ? JOB_END_MS : 0;
  for (;;) {
    sigset_t pending;
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1) return 1;
    if (waits-- <= 0) return 0;
    usleep(1000);
  }
}

static void end_attempt(struct attempt *a, int status, const struct rusage *use) {
  for (uint32_t i = 0; i < running_count; i++)
    if (running[i] == a) running[i] = running[--running_count];
  a->wall_us = (double)(clock_us(CLOCK_MONOTONIC) - a->start_us);
  pools[a->pool]->running--;
  advance(pools[a->pool]); // before the paperwork: the pool should not wait for it
  // A background process may hold the pipe open: what the leader left is taken, the end is not waited for.
  for (uint8_t s = 0; s < 2; s++) {
    if (a->pipe[s] >= 0) read_pipe(a, s, DRAIN);
    close_pipe(a, s);
  }
  if (in_job && !a->told && !a->error && status != 0 && job_ends(status)) finish(0); // unreported: the task is not to blame
  if (a->error) report_exit(a, NEVER_STARTED, a->error, use);
  else if (WIFSIGNALED(status)) report_exit(a, SIGNALED, WTERMSIG(status), use);
  else report_exit(a, EXITED, WEXITSTATUS(status), use);
  discard(a);
}

static void reap(void) {
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    struct rusage use;
    int status;
    // Left as a zombie first: while it is one, its number cannot name another group.
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid) return;
    struct attempt *a = NULL;
    for (uint32_t i = 0; i < running_count && !a; i++)
      if (running[i]->pid == info.si_pid) a = running[i];
    if (a) kill(-a->pid, SIGKILL); // an attempt is over when its leader is
    if (wait4(info.si_pid, &status, 0, &use) > 0 && a) end_attempt(a, status, &use);
  }
}

// Kills every child, again and again: what they leave is re-parented to us, whatever sessions it made.
static int kill_children(void) {
  DIR *proc = opendir("/proc");
  struct dirent *entry;
  int found = 0;
  while (proc && (entry = readdir(proc))) {
    char name[64], text[512], *end;
    int pid = atoi(entry->d_name), parent = 0;
    if (pid <= 0) continue;
    snprintf(name, sizeof name, "/proc/%d/stat", pid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    if (!(end = strrchr(text, ')')) || sscanf(end + 1, " %*c %d", &parent) != 1 || parent != self) continue;
    found++;
    kill(pid, SIGKILL);
  }
  if (proc) closedir(proc);
  return found;
}

static void finish(int code) {
  for (uint32_t i = 0; i < running_count; i++)
    if (kill(-running[i]->pid, SIGKILL) < 0) kill(running[i]->pid, SIGKILL);
  for (;;) {
    struct timespec pause = {0, 1000000};
    pid_t pid;
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) continue;
    if (pid < 0 && errno == ECHILD) break;
    kill_children();
    nanosleep(&pause, NULL);
  }
  _exit(code);
}

static void kill_attempt(uint32_t id, int signal) {
  for (uint32_t i = 0; i < running_count; i++) {
    if (running[i]->id != id) continue;
    running[i]->told = 1;
    // No group yet: the child has not come as far as setsid.
    if (kill(-running[i]->pid, signal) < 0 && errno == ESRCH) kill(running[i]->pid, signal);
    return;
  }
  for (uint32_t i = 0; i < pool_count; i++)
    for (struct attempt **at = pools[i] ? &pools[i]->first : NULL; at && *at; at = &(*at)->next) {
      struct attempt *a = *at;
      if (a->id != id) continue;
      if (!(*at = a->next)) pools[i]->last = at;
      report_exit(a, DROPPED, 0, NULL);
      urgent = 1;
      free(a);
      return;
    }
}

// ---- commands

static uint32_t u32(const char *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

// A reader that is not of our making: better to stop, which ends all attempts, than to guess.
static void malformed(void) {
  static const char text[] = "holdall-launcher: malformed command\n";
  if (write(2, text, sizeof text - 1) < 0) finish(2);
  finish(2);
}

static void add_environment(const char *at, uint32_t size) {
  if (size < 8) malformed();
  uint32_t number = u32(at), count = u32(at + 4);
  if (count > size || number >= MAX_NUMBER) malformed();
  if (number >= environment_count) {
    environments = need(realloc(environments, (number + 1) * sizeof *environments));
    memset(environments + environment_count, 0, (number + 1 - environment_count) * sizeof *environments);
    environment_count = number + 1;
  }
  char *text = need(calloc(1, size)), *end = text + size - 8;
  memcpy(text, at + 8, size - 8);
  uint32_t more = 0;
  for (char **name = handed_on; name && *name; name++) more++;
  environments[number].entry = need(calloc(count + more + 1, sizeof(char *)));
  for (uint32_t i = 0; i < count; i++, text += strlen(text) + 1) {
    if (text >= end) malformed();
    environments[number].entry[i] = text;
  }
  for (char **name = handed_on; name && *name; name++) {
    size_t length = strlen(*name);
    for (char **ours = environ; *ours; ours++) {
      if (strncmp(*ours, *name, length) != 0 || (*ours)[length] != '=') continue;
      uint32_t slot = 0;
      while (slot < count && strncmp(environments[number].entry[slot], *ours, length + 1) != 0) slot++;
      environments[number].entry[slot] = *ours;
      if (slot == count) count++;
    }
  }
  environments[number].count = count;
}

static struct pool *get_pool(uint32_t number) {
  if (number >= MAX_NUMBER) malformed();
  if (number >= pool_count) {
    pools = need(realloc(pools, (number + 1) * sizeof *pools));
    memset(pools + pool_count, 0, (number + 1 - pool_count) * sizeof *pools);
    pool_count = number + 1;
  }
  if (!pools[number]) {
    struct pool *p = pools[number] = need(calloc(1, sizeof *p));
    p->last = &p->first;
    p->width = 1;
  }
  return pools[number];
}

static void set_width(uint32_t number, uint32_t width) {
  struct pool *p = get_pool(number);
  p->width = width;
  if (p->first) advance(p);
}

static void add_attempt(const char *at, uint32_t size) {
  if (size < 21) malformed();
  struct attempt *a = need(calloc(1, sizeof *a + size));
  a->id = u32(at);
  a->pool = u32(at + 4);
  a->environment = u32(at + 8);
  a->flags = (uint8_t)at[12];
  a->argc = u32(at + 13);
  a->extras = u32(at + 17);
  memcpy(a->text, at + 21, size - 21); // calloc left a NUL behind it
  uint32_t strings = 0;
  for (uint32_t i = 0; i < size - 21; i++) strings += a->text[i] == 0;
  if (strings != 1 + (uint64_t)a->argc + a->extras) malformed();
  struct pool *p = get_pool(a->pool);
  *p->last = a;
  p->last = &a->next;
  advance(p);
}

static void read_commands(void) {
  char *at = reserve(&in, READ_SIZE);
  ssize_t n = read(0, at, READ_SIZE);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) finish(0);
  in.end += (size_t)n;
  while (in.end - in.start >= 5) {
    uint32_t length = u32(in.data + in.start);
    if (length < 1 || length > MAX_FRAME) malformed();
    if (in.end - in.start < 4 + (size_t)length) break;
    char *payload = in.data + in.start + 5;
    in.start += 4 + (size_t)length;
    length--;
    switch (payload[-1]) {
    case IN_ENVIRONMENT: add_environment(payload, length); break;
    case IN_START: add_attempt(payload, length); break;
    case IN_KILL: length == 5 ? kill_attempt(u32(payload), payload[4]) : malformed(); break;
    case IN_WIDTH: length == 8 ? set_width(u32(payload), u32(payload + 4)) : malformed(); break;
    case IN_FLUSH: urgent = 1; break;
    default: malformed();
    }
  }
}

// ---- the loop

// Attempts that turn out to be long: their pipes are watched, their start is reported.
static void tick(uint64_t now) {
  next_tick = UINT64_MAX;
  for (uint32_t i = 0; i < running_count; i++) {
    struct attempt *a = running[i];
    if (!a->watched && now >= a->start_us + WATCH_US) {
      a->watched = 1;
      for (uint64_t s = 0; s < 2; s++)
        if (a->pipe[s] >= 0) watch(pipe_poll, a->pipe[s], EPOLL_CTL_ADD, EPOLLIN, (uint64_t)(uintptr_t)a | s);
    }
    if (!a->reported && now >= a->start_us + REPORT_US) {
      a->reported = 1;
      put(put(put(frame(OUT_STARTED, 16), &a->id, 4), &a->pid, 4), &a->start_ms, 8);
    }
    uint64_t next = a->watched ? a->start_us + REPORT_US : a->start_us + WATCH_US;
    if (!a->reported && next < next_tick) next_tick = next;
  }
}

static void read_pipes(void) {
  struct epoll_event events[64];
  int n = epoll_wait(pipe_poll, events, 64, 0);
  for (int i = 0; i < n && !full(); i++) {
    struct attempt *a = (struct attempt *)(uintptr_t)(events[i].data.u64 & ~(uint64_t)1);
    uint8_t stream = events[i].data.u64 & 1;
    if (!read_pipe(a, stream, READ_SIZE)) close_pipe(a, stream);
  }
}

static void prepare_ourselves(void) {
  sigset_t all;
  setsid(); // Ctrl-C and a kill of the worker's group are not for us
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  prctl(PR_SET_NAME, "holdall-launch", 0, 0, 0);
  self = getpid();
  // Everything default and blocked instead of ignored: then a child only has to clear its mask.
  // By system call: posix_spawn() of glibc has two signals ignored that its signal() refuses.
  const uint64_t by_default[8] = {0};
  for (int s = 1; s < NSIG; s++) syscall(SYS_rt_sigaction, s, by_default, NULL, sizeof(uint64_t));
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  sigemptyset(&all);
  sigaddset(&all, SIGCHLD);
  while ((devnull = open("/dev/null", O_RDWR)) >= 0 && devnull < 3) continue;
  if (devnull < 0) _exit(1);
#ifdef SYS_close_range
  syscall(SYS_close_range, devnull + 1, ~0U, 0);
#endif
  for (int fd = 3; fd < devnull; fd++) close(fd);
  fcntl(devnull, F_SETFD, FD_CLOEXEC);
  fcntl(0, F_SETFL, O_NONBLOCK);
  fcntl(1, F_SETFL, O_NONBLOCK);
  main_poll = epoll_create1(EPOLL_CLOEXEC);
  pipe_poll = epoll_create1(EPOLL_CLOEXEC);
  child_signal = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  watch(main_poll, 0, EPOLL_CTL_ADD, EPOLLIN, 0);
  watch(main_poll, 1, EPOLL_CTL_ADD, 0, 1);
  watch(main_poll, child_signal, EPOLL_CTL_ADD, EPOLLIN, 2);
  watch(main_poll, pipe_poll, EPOLL_CTL_ADD, EPOLLIN, 3);
}

// A connected socket to where one line of a context says, or -1.
static int reach(const char *line) {
  union {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in inet;
    struct sockaddr_in6 inet6;
  } at = {.any = {.sa_family = AF_UNSPEC}};
  char text[sizeof at.local.sun_path];
  socklen_t size = 0;
  unsigned port;
  if (sscanf(line, "tcp %107s %u", text, &port) == 2) {
    if (inet_pton(AF_INET, text, &at.inet.sin_addr) == 1) {
      at.inet.sin_family = AF_INET;
      at.inet.sin_port = htons((uint16_t)port);
      size = sizeof at.inet;
    } else if (inet_pton(AF_INET6, text, &at.inet6.sin6_addr) == 1) {
      at.inet6.sin6_family = AF_INET6;
      at.inet6.sin6_port = htons((uint16_t)port);
      size = sizeof at.inet6;
    }
  } else if (strncmp(line, "unix ", 5) == 0 && strlen(line + 5) < sizeof at.local.sun_path) {
    at.local.sun_family = AF_UNIX;
    memcpy(at.local.sun_path, line + 5, strlen(line + 5) + 1);
    size = sizeof at.local;
  }
  int fd = size ? socket(at.any.sa_family, SOCK_STREAM, 0) : -1;
  if (fd >= 0 && connect(fd, &at.any, size) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static char context[4096];

static void read_context(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = file < 0 ? -1 : read(file, context, sizeof context - 1);
  if (n <= 0) {
    dprintf(2, "holdall-launcher: %s: %s\n", path, n < 0 ? strerror(errno) : "is empty");
    _exit(111);
  }
  close(file);
}

// Puts the connection to the worker in the place of stdin and stdout.
static void connect_to_worker(const char *id) {
  char hello[256], *rest, *line, *secret = strtok_r(context, "\n", &rest);
  int fd = -1;
  while (secret && fd < 0 && (line = strtok_r(NULL, "\n", &rest))) fd = reach(line);
  int size = snprintf(hello, sizeof hello, "%s%010lu", secret ? secret : "", strtoul(id, NULL, 10));
  if (fd < 0 || size >= (int)sizeof hello || write(fd, hello, (size_t)size) != size) {
    dprintf(2, "holdall-launcher: the worker that wants attempt %s cannot be reached: %s\n", id, strerror(errno));
    _exit(111);
  }
  dup2(fd, 0);
  dup2(fd, 1);
}

// Returns once for each ID that comes, in a process of its own.
static void serve_attempts(void) {
  char line[64];
  size_t have = 0;
  setsid();
  dup2(1, 2); // what is said belongs to the answer
  for (;;) {
    char *end = memchr(line, '\n', have);
    if (!end) {
      ssize_t n = have < sizeof line ? read(0, line + have, sizeof line - have) : 0;
      if (n <= 0) _exit(0);
      have += (size_t)n;
      continue;
    }
    *end = 0;
    pid_t pid = fork();
    if (pid == 0) {
      connect_to_worker(line);
      return;
    }
    int status = 111;
    if (pid > 0 && waitpid(pid, &status, 0) == pid)
      status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (dprintf(1, "%d", status) < 0 || write(1, "", 1) != 1) _exit(1);
    have -= (size_t)(end + 1 - line);
    memmove(line, end + 1, have);
  }
}

// holdall-launcher [SOFT_LIMIT]: the limit of open files that the tasks get instead of ours.
int main(int argc, char **argv) {
  uint8_t version = VERSION;
  int paused = 0, one = argc >= 4 && strcmp(argv[1], "--attempt") == 0;
  int attempt = one || (argc == 3 && strcmp(argv[1], "--attempts") == 0);
  if (attempt) read_context(argv[2]);
  in_job = attempt;
  if (one) handed_on = argv + 4, connect_to_worker(argv[3]);
  else if (attempt) serve_attempts();
  prepare_ourselves();
  if (argc > 1 && !attempt && getrlimit(RLIMIT_NOFILE, &nofile) == 0) {
    nofile.rlim_cur = strtoul(argv[1], NULL, 10);
    nofile_raised = nofile.rlim_cur > 0 && nofile.rlim_cur <= nofile.rlim_max;
  }
  put(put(frame(OUT_HELLO, 5), &version, 1), &self, 4);
  urgent = !attempt; // an attempt's is read no sooner than what follows
  for (;;) {
    struct epoll_event events[8];
    uint64_t now = clock_us(CLOCK_MONOTONIC), wake = UINT64_MAX;
    if (now >= next_tick) tick(now);
    size_t unread = out.end - out.start;
    if (unread && !output_blocked) {
      if (urgent || held_exits >= HOLD_EXITS || unread >= READ_SIZE || now >= held_since + HOLD_US) flush();
      else wake = held_since + HOLD_US;
    }
    if (stalled && !full()) {
      stalled = 0;
      for (uint32_t i = 0; i < pool_count; i++)
        if (pools[i] && pools[i]->first) advance(pools[i]);
      continue;
    }
    if (full() != paused) watch(main_poll, pipe_poll, EPOLL_CTL_MOD, (paused = full()) ? 0 : EPOLLIN, 3);
    if (next_tick < wake) wake = next_tick;
    int timeout = wake == UINT64_MAX ? -1 : wake <= now ? 0 : (int)((wake - now + 999) / 1000);
    int n = epoll_wait(main_poll, events, 8, timeout), ended = 0;
    for (int i = 0; i < n; i++) {
      switch (events[i].data.u64) {
      case 0: read_commands(); break;
      case 1: events[i].events & (EPOLLERR | EPOLLHUP) ? finish(0) : flush(); break;
      case 2: ended = 1; break;
      default: read_pipes();
      }
    }
    if (ended) {
      struct signalfd_siginfo info[1];
      if (read(child_signal, info, sizeof info) > 0) reap();
    }
  }
}
