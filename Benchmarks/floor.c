/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
/*
 * The bare kernel work of a container's start: clone3 with the same namespaces, the same mounts, pivot_root, exec, exit.
 * floor ROOTFS COUNT REST CGROUP PROGRAM… prints the microseconds of each round; before it, it rests so many.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void check(int result, const char *what) {
  if (result < 0) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(1);
  }
}

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  check(fd, path);
  check((int)write(fd, text, strlen(text)), path);
  close(fd);
}

static void child(const char *rootfs, int gate, char **program) {
  char byte;
  if (read(gate, &byte, 1) != 1) _exit(1);
  check(setresgid(0, 0, 0), "setresgid");
  check(setresuid(0, 0, 0), "setresuid");
  check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
  check(mount(rootfs, rootfs, NULL, MS_BIND, NULL), "bind");
  check(chdir(rootfs), "chdir");
  check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "proc");
  check(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"), "dev");
  check(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, NULL), "tmp");
  check(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL), "sys");
  check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(umount2(".", MNT_DETACH), "umount2");
  execv(program[0], program);
  check(-1, program[0]);
}

int main(int argc, char **argv) {
  if (argc < 6) return 64;
  int count = atoi(argv[2]);
  for (int round = 0; round < count; round++) {
    usleep((useconds_t)atoi(argv[3]));
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int gate[2];
    check(pipe2(gate, O_CLOEXEC), "pipe");
    struct clone_args arguments = {
        .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET,
        .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    check((int)pid, "clone3");
    if (pid == 0) child(argv[1], gate[0], argv + 5);
    char path[128], map[64];
    snprintf(path, sizeof path, "/proc/%ld/uid_map", pid);
    snprintf(map, sizeof map, "0 0 65536");
    write_file(path, map);
    snprintf(path, sizeof path, "/proc/%ld/gid_map", pid);
    write_file(path, map);
    char group[64], groups[4096];
    snprintf(group, sizeof group, "%ld", pid);
    /* The same hierarchies as the agent's containers: a colon-separated list of directories, made and left each time. */
    snprintf(groups, sizeof groups, "%s", argv[4]);
    for (char *directory = strtok(groups, ":"); directory; directory = strtok(NULL, ":")) {
      char procs[4200];
      snprintf(procs, sizeof procs, "%s/floor", directory);
      check(mkdir(procs, 0755), procs);
      strcat(procs, "/cgroup.procs");
      write_file(procs, group);
    }
    check((int)write(gate[1], "x", 1), "gate");
    int status;
    check(waitpid((pid_t)pid, &status, 0), "waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
    snprintf(groups, sizeof groups, "%s", argv[4]);
    for (char *directory = strtok(groups, ":"); directory; directory = strtok(NULL, ":")) {
      char procs[4200];
      snprintf(procs, sizeof procs, "%s/floor", directory);
      while (rmdir(procs) < 0 && errno == EBUSY) usleep(100);
    }
    close(gate[0]);
    close(gate[1]);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%lld\n", (long long)(end.tv_sec - start.tv_sec) * 1000000 + (end.tv_nsec - start.tv_nsec) / 1000);
  }
  return 0;
}
