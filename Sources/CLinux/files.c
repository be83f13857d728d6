/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

int cl_openat(int dir, const char *path, int flags, unsigned mode) {
  int fd;
  do fd = openat(dir, path, flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

int cl_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve};
  long fd;
  /* EAGAIN: a rename raced with the resolution; openat2(2) asks to try again. */
  int tries = 0;
  do fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 64)));
  return fd < 0 ? -errno : (int)fd;
}

int cl_dup_above(int fd, int lowest) { return CL_RESULT(fcntl(fd, F_DUPFD_CLOEXEC, lowest)); }

int cl_set_cloexec(int fd, bool on) { return CL_RESULT(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0)); }

int cl_set_nonblocking(int fd, bool on) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  return CL_RESULT(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

int cl_memfd(const char *name) { return CL_RESULT(memfd_create(name, MFD_CLOEXEC)); }

int cl_rename_new(int from_dir, const char *from, int to_dir, const char *to) {
  return CL_RESULT(renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE));
}

int64_t cl_filesystem_magic(int fd) {
  struct statfs info;
  return fstatfs(fd, &info) < 0 ? -errno : (int64_t)info.f_type;
}

int cl_lock_exclusive(int fd) { return CL_RESULT(flock(fd, LOCK_EX | LOCK_NB)); }

int cl_pipe(int fds[2]) { return CL_RESULT(pipe2(fds, O_CLOEXEC)); }
