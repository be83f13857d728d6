/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int cl_fsopen(const char *type) { return CL_RESULT(fsopen(type, FSOPEN_CLOEXEC)); }

int cl_fsconfig_string(int context, const char *key, const char *value) {
  return CL_RESULT(fsconfig(context, FSCONFIG_SET_STRING, key, value, 0));
}

int cl_fsconfig_flag(int context, const char *key) {
  return CL_RESULT(fsconfig(context, FSCONFIG_SET_FLAG, key, NULL, 0));
}

int cl_fsconfig_fd(int context, const char *key, int fd) {
  return CL_RESULT(fsconfig(context, FSCONFIG_SET_FD, key, NULL, fd));
}

int cl_fsconfig_create(int context) { return CL_RESULT(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0)); }

int cl_fscontext_message(int context, char *text, size_t size) {
  ssize_t count = read(context, text, size - 1);
  if (count < 0) return errno == ENODATA ? 0 : -errno;
  text[count] = 0;
  return (int)count;
}

int cl_fsmount(int context, unsigned attributes) { return CL_RESULT(fsmount(context, FSMOUNT_CLOEXEC, attributes)); }

int cl_open_tree(int dir, const char *path, unsigned flags) {
  return CL_RESULT(open_tree(dir, path, flags | OPEN_TREE_CLOEXEC));
}

int cl_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return CL_RESULT(move_mount(from_dir, from, to_dir, to, flags));
}

int cl_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
                     int user_namespace) {
  struct mount_attr attributes = {
      .attr_set = set,
      .attr_clr = clear,
      .propagation = propagation,
      .userns_fd = user_namespace < 0 ? 0 : (uint64_t)user_namespace,
  };
  return CL_RESULT(mount_setattr(dir, path, flags, &attributes, sizeof attributes));
}

int cl_pivot_root(const char *new_root, const char *put_old) {
  return CL_RESULT((int)syscall(SYS_pivot_root, new_root, put_old));
}

int cl_umount(const char *path, int flags) { return CL_RESULT(umount2(path, flags)); }
