/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int cl_unshare(uint64_t flags) { return CL_RESULT(unshare((int)flags)); }

int cl_setns(int fd, int flags) { return CL_RESULT(setns(fd, flags)); }

/* In a child of its own: a process with threads cannot change its user namespace (setns(2)). */
_Noreturn static void open_there(int user_namespace, const char *path, int flags, int answers) {
  /* Whoever made the namespace has all capabilities over what is in it. Nobody looks into this copy of our memory, or
     leads this process, which is root to the file-system (ptrace(2), "Ptrace access mode checking"). */
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  int32_t error = 0;
  int fd = -1;
  if (setns(user_namespace, CLONE_NEWUSER) < 0) error = errno;
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (!error) {
    fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) error = errno;
  }
  cl_send_fds(answers, &error, sizeof error, &fd, fd < 0 ? 0 : 1);
  _exit(0);
}

int cl_open_in_user_namespace(int user_namespace, const char *path, int flags, int seconds) {
  int pair[2], pidfd = -1;
  int result = cl_socketpair(SOCK_SEQPACKET, pair);
  if (result < 0) return result;
  /* Without a signal at its end it is a child for this wait only, and for nobody who reaps what he finds. */
  struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd};
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) open_there(user_namespace, path, flags, pair[1]);
  int failure = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return -failure;
  }
  /* The namespace's maker may stop the child, too. */
  struct pollfd wait = {.fd = pair[0], .events = POLLIN};
  int ready;
  do ready = poll(&wait, 1, seconds * 1000);
  while (ready < 0 && errno == EINTR);
  int fd = -1;
  if (ready == 1) {
    int32_t error = 0;
    size_t count = 0;
    ssize_t received = cl_receive_fds(pair[0], &error, sizeof error, &fd, 1, &count);
    result = received != sizeof error ? -ECHILD : error ? -error : count == 1 ? fd : -EBADF;
  } else {
    result = ready == 0 ? -ETIMEDOUT : -errno;
  }
  syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
  siginfo_t end;
  int waited;
  do waited = waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED | __WALL);
  while (waited < 0 && errno == EINTR);
  close(pidfd);
  close(pair[0]);
  return result;
}

int cl_user_namespace_owner(int fd, uint32_t *uid) { return CL_RESULT(ioctl(fd, NS_GET_OWNER_UID, uid)); }

int cl_sethostname(const char *name) { return CL_RESULT(sethostname(name, strlen(name))); }

int cl_interface_up(const char *name) {
  struct ifreq request = {0};
  if (strlen(name) >= IFNAMSIZ) return -ENAMETOOLONG;
  strcpy(request.ifr_name, name);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int result = CL_RESULT(ioctl(fd, SIOCGIFFLAGS, &request));
  if (result >= 0) {
    request.ifr_flags |= IFF_UP;
    result = CL_RESULT(ioctl(fd, SIOCSIFFLAGS, &request));
  }
  close(fd);
  return result;
}
