/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */

/*
 * The system calls that Swift cannot import (variadic, newer than glibc's headers, or used between clone3 and exec).
 * Every function returns a value >= 0, or the negated errno; none touches errno as its result, so that a caller on
 * another thread cannot lose it. Nothing here allocates.
 */
#ifndef NODEAGENT_CLINUX_H
#define NODEAGENT_CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* MARK: errors */

/* The constant name of an errno ("ENOENT"), or NULL. Never localised, safe on any thread. */
const char *cl_errno_name(int error);
/* The sentence for an errno ("No such file or directory"), or NULL. Never localised, safe on any thread. */
const char *cl_errno_text(int error);

/* MARK: files */

int cl_openat(int dir, const char *path, int flags, unsigned mode);
/* openat2(2); `resolve` takes the RESOLVE_ flags below. */
int cl_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
#define CL_RESOLVE_NO_XDEV 0x01
#define CL_RESOLVE_NO_MAGICLINKS 0x02
#define CL_RESOLVE_NO_SYMLINKS 0x04
#define CL_RESOLVE_BENEATH 0x08
#define CL_RESOLVE_IN_ROOT 0x10
int cl_dup_above(int fd, int lowest);
int cl_set_cloexec(int fd, bool on);
int cl_set_nonblocking(int fd, bool on);
int cl_memfd(const char *name);
/* A close-on-exec pipe: fds[0] is read, fds[1] written. */
int cl_pipe(int fds[2]);
/* renameat2 with RENAME_NOREPLACE. */
int cl_rename_new(int from_dir, const char *from, int to_dir, const char *to);
/* The magic number that statfs(2) reports for the file-system of `fd`. */
int64_t cl_filesystem_magic(int fd);
#define CL_PROC_MAGIC 0x9fa0
#define CL_BTRFS_MAGIC 0x9123683e
#define CL_OVERLAY_MAGIC 0x794c7630
#define CL_CGROUP2_MAGIC 0x63677270
/* flock(2), exclusive, not waiting. */
int cl_lock_exclusive(int fd);

/* MARK: mounts (the descriptor-based interface of Linux 5.2) */

int cl_fsopen(const char *type);
int cl_fsconfig_string(int context, const char *key, const char *value);
int cl_fsconfig_flag(int context, const char *key);
int cl_fsconfig_fd(int context, const char *key, int fd);
int cl_fsconfig_create(int context);
/* Copies the next message of the file-system context into `text`; 0 when there is none. */
int cl_fscontext_message(int context, char *text, size_t size);
int cl_fsmount(int context, unsigned attributes);
int cl_open_tree(int dir, const char *path, unsigned flags);
int cl_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int cl_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation,
                     int user_namespace);
int cl_pivot_root(const char *new_root, const char *put_old);
int cl_umount(const char *path, int flags);
#define CL_OPEN_TREE_CLONE 1u
#define CL_AT_RECURSIVE 0x8000u
#define CL_AT_EMPTY_PATH 0x1000u
#define CL_AT_SYMLINK_NOFOLLOW 0x100u
#define CL_MOVE_MOUNT_F_EMPTY_PATH 0x04u
#define CL_MOVE_MOUNT_T_EMPTY_PATH 0x40u
#define CL_MOUNT_ATTR_RDONLY 0x01u
#define CL_MOUNT_ATTR_NOSUID 0x02u
#define CL_MOUNT_ATTR_NODEV 0x04u
#define CL_MOUNT_ATTR_NOEXEC 0x08u
#define CL_MOUNT_ATTR_IDMAP 0x100000u
#define CL_MS_PRIVATE (1u << 18)
#define CL_MS_SLAVE (1u << 19)

/* MARK: namespaces */

int cl_unshare(uint64_t flags);
int cl_setns(int fd, int flags);
/* Opens a file as this user, but as a member of another user namespace, which is what some drivers go by. A child does
   it, which lives for at most `seconds`. Returns the descriptor or -errno. */
int cl_open_in_user_namespace(int user_namespace, const char *path, int flags, int seconds);
/* The host uid that owns a user namespace (ioctl NS_GET_OWNER_UID). */
int cl_user_namespace_owner(int fd, uint32_t *uid);
int cl_sethostname(const char *name);
#define CL_NEWNS 0x00020000ull
#define CL_NEWCGROUP 0x02000000ull
#define CL_NEWUTS 0x04000000ull
#define CL_NEWIPC 0x08000000ull
#define CL_NEWUSER 0x10000000ull
#define CL_NEWPID 0x20000000ull
#define CL_NEWNET 0x40000000ull

/* MARK: processes */

int cl_pidfd_open(int pid);
int cl_pidfd_signal(int pidfd, int signal);

/* How a process ended. `status` is its exit code, or the signal when `signaled`. */
struct cl_exit {
  int pid;
  int status;
  bool signaled;
  bool dumped;
};
/* Reaps the child behind a pidfd. 1: reaped; 0: `wait` is false and it still runs. */
int cl_wait_pidfd(int pidfd, bool wait, struct cl_exit *exit);
/* Reaps any child (PID 1's duty). 1: reaped one; 0: none has ended; -ECHILD: there are no children. */
int cl_wait_any(struct cl_exit *exit);

int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
#define CL_PR_SET_PDEATHSIG 1
#define CL_PR_SET_DUMPABLE 4
#define CL_PR_SET_NAME 15
#define CL_PR_SET_CHILD_SUBREAPER 36
#define CL_PR_CAPBSET_READ 23
#define CL_PR_CAPBSET_DROP 24
#define CL_PR_SET_NO_NEW_PRIVS 38

/* Sets permitted and effective (and clears inheritable) capabilities of the calling thread; bit n is capability n. */
int cl_capset(uint64_t permitted, uint64_t effective, uint64_t inheritable);
int cl_capget(uint64_t *permitted, uint64_t *effective, uint64_t *inheritable);
/* Drops from the bounding set every capability not in `keep`. */
int cl_bound_capabilities(uint64_t keep);
/* setgroups, setresgid, setresuid for all threads of the process. */
int cl_become(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t group_count);

struct cl_sock_filter {
  uint16_t code;
  uint8_t jt;
  uint8_t jf;
  uint32_t k;
};

struct cl_fd_map {
  int from;
  int to;
};

struct cl_rlimit {
  int resource;
  uint64_t soft;
  uint64_t hard;
};

/* Where a spawned child was when it failed, as written to `report`. */
enum cl_step {
  CL_STEP_NONE = 0,
  CL_STEP_CLONE,
  CL_STEP_GATE,
  CL_STEP_DESCRIPTORS,
  CL_STEP_SESSION,
  CL_STEP_TERMINAL,
  CL_STEP_RLIMIT,
  CL_STEP_BOUNDING,
  CL_STEP_GROUPS,
  CL_STEP_GID,
  CL_STEP_UID,
  CL_STEP_CAPABILITIES,
  CL_STEP_AMBIENT,
  CL_STEP_NO_NEW_PRIVS,
  CL_STEP_CHDIR,
  CL_STEP_CWD_OUTSIDE,
  CL_STEP_SECCOMP,
  CL_STEP_EXEC,
  CL_STEP_DEATH_SIGNAL,
  CL_STEP_PROFILE,
};

/* The eight bytes that a failing child writes to its report descriptor. */
struct cl_report {
  int32_t step;
  int32_t error;
};

enum {
  CL_SPAWN_SESSION = 1 << 0,       /* setsid */
  CL_SPAWN_TERMINAL = 1 << 1,      /* make descriptor 0 the controlling terminal; needs CL_SPAWN_SESSION */
  CL_SPAWN_IDS = 1 << 2,           /* set groups, gid and uid */
  CL_SPAWN_CAPABILITIES = 1 << 3,  /* limit the bounding set and set the capabilities */
  CL_SPAWN_NO_NEW_PRIVS = 1 << 4,
  CL_SPAWN_DEATH_SIGNAL = 1 << 5,  /* SIGKILL when the spawning thread ends */
  CL_SPAWN_CHECK_CWD = 1 << 6,     /* refuse a working directory that is not below the root */
  CL_SPAWN_PAUSE = 1 << 7,         /* do not exec: wait on the gate until it closes, then exit 0 */
  CL_SPAWN_SHARE_MEMORY = 1 << 8,  /* as vfork(2); without a cgroup and a gate */
};

struct cl_spawn {
  uint64_t namespaces; /* CL_NEW* */
  int cgroup;          /* a cgroup v2 directory to start in, or -1 */
  int executable;      /* a descriptor to execute, or -1 for `path` */
  const char *path;    /* looked up nowhere: absolute, or relative to the working directory */
  char *const *argv;
  char *const *envp;
  const struct cl_fd_map *fds; /* what the child keeps; everything else is closed */
  size_t fd_count;
  int gate;   /* a descriptor on which one byte must arrive first, or -1; at its end the child exits with 125 */
  int report; /* close-on-exec descriptor for struct cl_report, or -1 */
  unsigned flags;
  uint32_t uid;
  uint32_t gid;
  const uint32_t *groups;
  size_t group_count;
  uint64_t bounding;    /* capabilities that stay in the bounding set */
  uint64_t permitted;   /* permitted and effective */
  uint64_t ambient;     /* and inheritable; empty but for users other than root */
  const char *cwd;      /* or NULL */
  const struct cl_rlimit *rlimits;
  size_t rlimit_count;
  const struct cl_sock_filter *filter; /* seccomp program, or NULL */
  size_t filter_length;
  const char *profile; /* AppArmor profile to change to at exec, or NULL; needs `proc` */
  int proc;            /* the root of a procfs in which the child sees itself */
  char *own_pid;       /* room for ten digits and the end of a text, where the child writes its pid, or NULL */
};

/*
 * clone3 with CLONE_PIDFD, then exec. Returns the pid and stores a close-on-exec pidfd. The child executes only code
 * of this file until exec. Order: death signal, profile, descriptors, gate, session, rlimits, bounding set, ids, capabilities,
 * working directory, no_new_privs, seccomp, exec.
 */
int cl_spawn(const struct cl_spawn *request, int *pidfd);

/* MARK: sockets */

/* One message with descriptors; returns the bytes sent. */
ssize_t cl_send_fds(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count);
/* One message; received descriptors are close-on-exec. -EMSGSIZE when the message or its descriptors did not fit. */
ssize_t cl_receive_fds(int socket, void *bytes, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count);
struct cl_peer {
  int pid;
  uint32_t uid;
  uint32_t gid;
};
int cl_peer_credentials(int socket, struct cl_peer *peer);
/* The peer's supplementary groups; returns how many (which may exceed `capacity`). */
int cl_peer_groups(int socket, uint32_t *groups, size_t capacity);
/* `type`: SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM; close-on-exec. */
int cl_unix_socket(int type);
int cl_socketpair(int type, int fds[2]);
int cl_bind_unix(int socket, const char *path);
int cl_connect_unix(int socket, const char *path);
int cl_accept(int socket);
/* Asks for the sender's credentials with each datagram (SO_PASSCRED). */
int cl_pass_credentials(int socket);
ssize_t cl_receive_credentials(int socket, void *bytes, size_t capacity, struct cl_peer *peer);
/* Brings an interface of the caller's network namespace up. */
int cl_interface_up(const char *name);

/* MARK: keys (keyrings(7)) and the memory that holds secrets */

/* keyctl(2) with numbers or pointers as its arguments. */
int64_t cl_keyctl(int operation, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
#define CL_KEYCTL_GET_KEYRING_ID 0
#define CL_KEYCTL_JOIN_SESSION_KEYRING 1
#define CL_KEYCTL_UPDATE 2
#define CL_KEYCTL_REVOKE 3
#define CL_KEYCTL_SETPERM 5
#define CL_KEYCTL_DESCRIBE 6
#define CL_KEYCTL_LINK 8
#define CL_KEYCTL_UNLINK 9
#define CL_KEYCTL_SEARCH 10
#define CL_KEYCTL_READ 11
#define CL_KEYCTL_SET_TIMEOUT 15
#define CL_KEYCTL_ASSUME_AUTHORITY 16
#define CL_KEYCTL_REJECT 19
#define CL_KEY_SPEC_SESSION_KEYRING (-3)
#define CL_KEY_SPEC_USER_KEYRING (-4)
int64_t cl_request_key(const char *type, const char *description, const char *callout, int32_t ring);
int64_t cl_add_key(const char *type, const char *description, const void *payload, size_t size, int32_t ring);
/* getrandom(2), all of it. */
int cl_random(void *bytes, size_t size);
/* Pages that are never swapped, dumped, or seen by a child; zero. NULL with `error` where there are none. */
void *cl_locked_pages(size_t size, int *error);
/* Wipes them, too. */
void cl_unmap_locked(void *pages, size_t size);
void cl_wipe(void *bytes, size_t size);
/*
 * Receives one message, and instantiates the key that this process has the authority over (keyctl_instantiate(3)).
 * The message: a byte that is 0, three bytes of padding, the seconds that the key is good (four bytes of this machine's
 * order), and its payload; or a first byte that is not 0, the errno that the key is to be rejected with, and why. The
 * payload is in no memory but pages of its own, which are wiped. Returns 0, or the negated errno, with the reason in
 * `problem`.
 */
int cl_instantiate_from(int socket, int32_t key, char *problem, size_t size);

/* MARK: links (rtnetlink(7)) */

/* A socket to ask the kernel for network interfaces; a read gives up after 5 s (-EAGAIN). */
int cl_route_socket(void);
/* Asks for all interfaces of the socket's network namespace. */
int cl_request_links(int socket, uint32_t sequence);
/* A part of the answer, from the kernel and nobody else; -EMSGSIZE when it did not fit. */
ssize_t cl_receive_links(int socket, void *bytes, size_t capacity);

/* MARK: clock */

/* What adjtimex(2) tells, in its units. */
struct cl_clock_state {
  int64_t offset, frequency, maximum_error, estimated_error, status, constant, tick;
  int64_t pps_frequency, pps_jitter, pps_shift, pps_stability;
  int64_t pps_jitter_count, pps_calibrations, pps_errors, pps_stability_count;
  int64_t tai_offset;
  bool counts_nanoseconds;
  bool is_synchronized;
};
int cl_read_clock(struct cl_clock_state *state);

/* MARK: terminals */

/* The slave end of a pty master, by ioctl and never by path (TIOCGPTPEER). */
int cl_pty_peer(int master);
int cl_pty_unlock(int master);
int cl_set_window_size(int fd, uint16_t rows, uint16_t columns);
int cl_window_size(int fd, uint16_t *rows, uint16_t *columns);

/* MARK: waiting */

struct cl_poll {
  int fd;
  int16_t events;
  int16_t revents;
};
#define CL_POLL_IN 0x001
#define CL_POLL_OUT 0x004
#define CL_POLL_ERR 0x008
#define CL_POLL_HUP 0x010
/* poll(2), restarted on EINTR; `milliseconds` -1 waits for ever. */
int cl_poll(struct cl_poll *entries, size_t count, int milliseconds);
/* epoll(7), one-shot: a descriptor is reported once as readable or ended, by its id, until it is armed again. */
int cl_epoll_create(void);
int cl_epoll_arm(int epoll, int fd, uint64_t id, bool writing);
int cl_epoll_remove(int epoll, int fd);
/* Waits without limit; stores up to `capacity` ids and returns how many. */
int cl_epoll_wait(int epoll, uint64_t *ids, size_t capacity);
/* A non-blocking signalfd for the given signals, which are blocked for the process. */
int cl_signal_descriptor(const int *signals, size_t count);
/* The next signal of a signalfd and its sender; 0 when there is none. */
int cl_next_signal(int fd, int *sender);

/* A netlink socket that hears one multicast group (netlink(7)). */
int cl_netlink_listen(int protocol, unsigned group);

/* The calling thread's name, at most 15 bytes (prctl(2), PR_SET_NAME). */
void cl_thread_name(char name[16]);
void cl_set_thread_name(const char *name);

#endif
