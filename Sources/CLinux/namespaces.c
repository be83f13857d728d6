/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int cl_unshare(uint64_t flags) { return CL_RESULT(unshare((int)flags)); }

int cl_setns(int fd, int flags) { return CL_RESULT(setns(fd, flags)); }

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
