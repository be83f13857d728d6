/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

/* Above every target number, so that placing one descriptor cannot close another that is still to be placed. */
#define STAGING 1000
#define MAX_SPAWN_FDS 64

_Noreturn static void fail(const struct cl_spawn *request, int report, enum cl_step step, int error) {
  if (request->report >= 0) {
    struct cl_report message = {.step = step, .error = error};
    ssize_t written = write(report, &message, sizeof message);
    (void)written; /* the exit code tells it too */
  }
  _exit(step == CL_STEP_EXEC && error == ENOENT ? 127 : step == CL_STEP_EXEC ? 126 : 125);
}

/* Waits for the parent's go-ahead. False when the parent is gone. */
static bool pass_gate(int gate) {
  char byte;
  ssize_t count;
  do count = read(gate, &byte, 1);
  while (count < 0 && errno == EINTR);
  return count == 1;
}

static int place_descriptors(const struct cl_spawn *request, int *executable, int *report, int *gate) {
  int staged[MAX_SPAWN_FDS];
  int highest = -1;
  if (request->fd_count > MAX_SPAWN_FDS) return -E2BIG;
  for (size_t i = 0; i < request->fd_count; i++) {
    staged[i] = fcntl(request->fds[i].from, F_DUPFD_CLOEXEC, STAGING);
    if (staged[i] < 0) return -errno;
    if (request->fds[i].to > highest) highest = request->fds[i].to;
  }
  if (highest >= STAGING / 2) return -EBADF;
  int kept_executable = -1, kept_report = -1, kept_gate = -1;
  if (*executable >= 0 && (kept_executable = fcntl(*executable, F_DUPFD_CLOEXEC, STAGING)) < 0) return -errno;
  if (*report >= 0 && (kept_report = fcntl(*report, F_DUPFD_CLOEXEC, STAGING)) < 0) return -errno;
  if (*gate >= 0 && (kept_gate = fcntl(*gate, F_DUPFD_CLOEXEC, STAGING)) < 0) return -errno;
  for (size_t i = 0; i < request->fd_count; i++)
    if (dup3(staged[i], request->fds[i].to, 0) < 0) return -errno;
  /* What nobody placed is closed, also below the highest target. */
  for (int fd = 0; fd <= highest; fd++) {
    bool wanted = false;
    for (size_t i = 0; i < request->fd_count; i++) wanted |= request->fds[i].to == fd;
    if (!wanted) close(fd);
  }
  int next = highest + 1;
  *executable = *report = *gate = -1;
  if (kept_executable >= 0) {
    if (dup3(kept_executable, next, O_CLOEXEC) < 0) return -errno;
    *executable = next++;
  }
  if (kept_report >= 0) {
    if (dup3(kept_report, next, O_CLOEXEC) < 0) return -errno;
    *report = next++;
  }
  if (kept_gate >= 0) {
    if (dup3(kept_gate, next, O_CLOEXEC) < 0) return -errno;
    *gate = next++;
  }
  return CL_RESULT((int)syscall(SYS_close_range, next, ~0u, 0));
}

static int restrict_capabilities(const struct cl_spawn *request) {
  int failed = cl_capset(request->permitted, request->permitted, request->ambient);
  if (failed) return failed;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
  for (unsigned long capability = 0; capability < 64; capability++)
    if (request->ambient >> capability & 1)
      if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -errno;
  return 0;
}

/* Asks AppArmor for a profile at the next exec (aa_change_onexec(2)). */
static int change_profile(int proc, const char *profile) {
  char text[256] = "exec ";
  size_t length = strlen(profile);
  if (length + 5 > sizeof text) return -ENAMETOOLONG;
  memcpy(text + 5, profile, length);
  int fd = openat(proc, "thread-self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  ssize_t written = write(fd, text, length + 5);
  int error = errno;
  close(fd);
  return written == (ssize_t)(length + 5) ? 0 : -error;
}

/* Completes `LISTEN_PID=`: a program that is handed sockets checks that they are for it (sd_listen_fds(3)). */
static void write_pid(char *digits) {
  char reversed[12];
  int count = 0;
  for (int pid = getpid(); pid > 0; pid /= 10) reversed[count++] = (char)('0' + pid % 10);
  while (count > 0) *digits++ = reversed[--count];
  *digits = 0;
}

_Noreturn static void child(const struct cl_spawn *request) {
  int executable = request->executable, report = request->report, gate = request->gate;

  for (int signal = 1; signal < NSIG; signal++) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL); /* fails for SIGKILL, SIGSTOP and the C library's own */
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);

  if (request->flags & CL_SPAWN_DEATH_SIGNAL)
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail(request, report, CL_STEP_DEATH_SIGNAL, errno);

  if (request->flags & CL_SPAWN_PAUSE) {
    /* Keeps nothing open but the gate, whose other end the parent holds. */
    int kept = dup3(gate, STAGING, O_CLOEXEC);
    if (kept < 0) _exit(125);
    syscall(SYS_close_range, 0, STAGING - 1, 0);
    syscall(SYS_close_range, STAGING + 1, ~0u, 0);
    while (pass_gate(kept)) {
    }
    _exit(0);
  }

  if (request->profile) {
    int failure = change_profile(request->proc, request->profile);
    if (failure < 0) fail(request, report, CL_STEP_PROFILE, -failure);
  }

  /* Before the wait: the child has inherited the gate's other end too, and would never see it close. */
  int failed = place_descriptors(request, &executable, &report, &gate);
  if (failed < 0) fail(request, report, CL_STEP_DESCRIPTORS, -failed);

  if (gate >= 0) {
    if (!pass_gate(gate)) _exit(125);
    close(gate);
  }

  if (request->flags & CL_SPAWN_SESSION)
    if (setsid() < 0) fail(request, report, CL_STEP_SESSION, errno);

  if (request->flags & CL_SPAWN_TERMINAL)
    if (ioctl(0, TIOCSCTTY, 0) < 0) fail(request, report, CL_STEP_TERMINAL, errno);

  for (size_t i = 0; i < request->rlimit_count; i++) {
    const struct cl_rlimit *limit = &request->rlimits[i];
    struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
    if (setrlimit((__rlimit_resource_t)limit->resource, &value) < 0) fail(request, report, CL_STEP_RLIMIT, errno);
  }

  if (request->flags & CL_SPAWN_CAPABILITIES) {
    failed = cl_bound_capabilities(request->bounding);
    if (failed < 0) fail(request, report, CL_STEP_BOUNDING, -failed);
    /* Keeps the permitted set over the change of user; the set is cut to the requested one below. */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) fail(request, report, CL_STEP_CAPABILITIES, errno);
  }
  if (request->flags & CL_SPAWN_IDS) {
    if (syscall(SYS_setgroups, request->group_count, request->groups) < 0) fail(request, report, CL_STEP_GROUPS, errno);
    if (syscall(SYS_setresgid, request->gid, request->gid, request->gid) < 0)
      fail(request, report, CL_STEP_GID, errno);
    if (syscall(SYS_setresuid, request->uid, request->uid, request->uid) < 0)
      fail(request, report, CL_STEP_UID, errno);
  }
  if (request->flags & CL_SPAWN_CAPABILITIES) {
    failed = restrict_capabilities(request);
    if (failed < 0) fail(request, report, CL_STEP_CAPABILITIES, -failed);
  }
  /* A change of ids clears the death signal. */
  if (request->flags & CL_SPAWN_DEATH_SIGNAL)
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) fail(request, report, CL_STEP_DEATH_SIGNAL, errno);

  if (request->cwd && chdir(request->cwd) < 0) fail(request, report, CL_STEP_CHDIR, errno);
  if (request->flags & CL_SPAWN_CHECK_CWD) {
    /* The kernel prefixes "(unreachable)" to a directory outside the root: CVE-2024-21626. */
    static char path[4096];
    long length = syscall(SYS_getcwd, path, sizeof path);
    if (length < 0) fail(request, report, CL_STEP_CWD_OUTSIDE, errno);
    if (path[0] != '/') fail(request, report, CL_STEP_CWD_OUTSIDE, ENOENT);
  }
  if (request->flags & CL_SPAWN_NO_NEW_PRIVS)
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(request, report, CL_STEP_NO_NEW_PRIVS, errno);
  if (request->filter) {
    struct {
      unsigned short length;
      const struct cl_sock_filter *filter;
    } program = {(unsigned short)request->filter_length, request->filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) fail(request, report, CL_STEP_SECCOMP, errno);
  }
  if (request->own_pid) write_pid(request->own_pid);
  if (executable >= 0)
    syscall(SYS_execveat, executable, "", request->argv, request->envp, AT_EMPTY_PATH);
  else
    syscall(SYS_execve, request->path, request->argv, request->envp);
  fail(request, report, CL_STEP_EXEC, errno);
}

static int run_child(void *request) { child(request); }

/* As vfork(2): a stack of its own, because the parent's frames must survive what the child does with its own. */
static int spawn_sharing(const struct cl_spawn *request, int *pidfd) {
  _Alignas(16) char stack[64 << 10];
  int pid = clone(run_child, stack + sizeof stack, (int)request->namespaces | CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, (void *)request, pidfd);
  return CL_RESULT(pid);
}

int cl_spawn(const struct cl_spawn *request, int *pidfd) {
  int fd = -1;
  struct clone_args arguments = {
      .flags = CLONE_PIDFD | request->namespaces,
      .pidfd = (uint64_t)(uintptr_t)&fd,
      .exit_signal = SIGCHLD,
  };
  if (request->cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = (uint64_t)request->cgroup;
  }
  /* No signal may reach the child while it still has the parent's handlers. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid;
  if (request->flags & CL_SPAWN_SHARE_MEMORY) {
    pid = spawn_sharing(request, &fd);
  } else {
    pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) child(request);
    pid = CL_RESULT(pid);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid < 0) return (int)pid;
  *pidfd = fd;
  return (int)pid;
}
