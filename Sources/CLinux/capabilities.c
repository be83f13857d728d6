/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
  return CL_RESULT(prctl(option, a, b, c, d));
}

int cl_capset(uint64_t permitted, uint64_t effective, uint64_t inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++) {
    data[half].permitted = (uint32_t)(permitted >> (32 * half));
    data[half].effective = (uint32_t)(effective >> (32 * half));
    data[half].inheritable = (uint32_t)(inheritable >> (32 * half));
  }
  return CL_RESULT((int)syscall(SYS_capset, &header, data));
}

int cl_capget(uint64_t *permitted, uint64_t *effective, uint64_t *inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  *permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
  *effective = data[0].effective | (uint64_t)data[1].effective << 32;
  *inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
  return 0;
}

int cl_bound_capabilities(uint64_t keep) {
  for (unsigned long capability = 0; capability < 64; capability++) {
    if (keep >> capability & 1) continue;
    int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) return errno == EINVAL ? 0 : -errno; /* past the kernel's last capability */
    if (held && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return -errno;
  }
  return 0;
}

int cl_become(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count) {
  if (setgroups(group_count, groups) < 0) return -errno;
  if (setresgid(gid, gid, gid) < 0) return -errno;
  return CL_RESULT(setresuid(uid, uid, uid));
}
