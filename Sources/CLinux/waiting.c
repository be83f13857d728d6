/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/epoll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

_Static_assert(sizeof(struct cl_poll) == sizeof(struct pollfd), "struct cl_poll is struct pollfd");

int cl_poll(struct cl_poll *entries, size_t count, int milliseconds) {
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  int left = milliseconds;
  for (;;) {
    int ready = poll((struct pollfd *)entries, count, left);
    if (ready >= 0) return ready;
    if (errno != EINTR) return -errno;
    if (milliseconds < 0) continue;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t spent = (now.tv_sec - start.tv_sec) * 1000ll + (now.tv_nsec - start.tv_nsec) / 1000000;
    left = spent >= milliseconds ? 0 : (int)(milliseconds - spent);
  }
}

int cl_signal_descriptor(const int *signals, size_t count) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
  return CL_RESULT(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int cl_next_signal(int fd, int *sender) {
  struct signalfd_siginfo info;
  ssize_t count = read(fd, &info, sizeof info);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  if (sender) *sender = (int)info.ssi_pid;
  return (int)info.ssi_signo;
}

int cl_pidfd_open(int pid) { return CL_RESULT((int)syscall(SYS_pidfd_open, pid, 0)); }

int cl_pidfd_signal(int pidfd, int signal) {
  return CL_RESULT((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

static int reap(idtype_t type, id_t id, int options, struct cl_exit *exit) {
  siginfo_t info = {0};
  int result;
  do result = waitid(type, id, &info, WEXITED | options);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  if (info.si_pid == 0) return 0;
  exit->pid = info.si_pid;
  exit->status = info.si_status;
  exit->signaled = info.si_code != CLD_EXITED;
  exit->dumped = info.si_code == CLD_DUMPED;
  return 1;
}

int cl_wait_pidfd(int pidfd, bool wait, struct cl_exit *exit) {
  return reap((idtype_t)P_PIDFD, (id_t)pidfd, wait ? 0 : WNOHANG, exit);
}

int cl_wait_any(struct cl_exit *exit) { return reap(P_ALL, 0, WNOHANG, exit); }

int cl_epoll_create(void) { return CL_RESULT(epoll_create1(EPOLL_CLOEXEC)); }

int cl_epoll_arm(int epoll, int fd, uint64_t id, bool writing) {
  struct epoll_event event = {.events = (writing ? EPOLLOUT : EPOLLIN) | EPOLLONESHOT, .data.u64 = id};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  if (errno != EEXIST) return -errno;
  return CL_RESULT(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event));
}

int cl_epoll_remove(int epoll, int fd) { return CL_RESULT(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL)); }

int cl_epoll_wait(int epoll, uint64_t *ids, size_t capacity) {
  struct epoll_event events[64];
  int most = capacity < 64 ? (int)capacity : 64, count;
  do count = epoll_wait(epoll, events, most, -1);
  while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  for (int i = 0; i < count; i++) ids[i] = events[i].data.u64;
  return count;
}

void cl_thread_name(char name[16]) {
  memset(name, 0, 16);
  prctl(PR_GET_NAME, name);
}

void cl_set_thread_name(const char *name) { prctl(PR_SET_NAME, name); }
