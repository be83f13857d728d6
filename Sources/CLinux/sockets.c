/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_FDS 32

ssize_t cl_send_fds(int socket, const void *bytes, size_t count, const int *fds, size_t fd_count) {
  if (fd_count > MAX_FDS) return -EINVAL;
  union {
    char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    struct cmsghdr align;
  } control;
  struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (fd_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.space;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

ssize_t cl_receive_fds(int socket, void *bytes, size_t capacity, int *fds, size_t fd_capacity, size_t *fd_count) {
  union {
    char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    struct cmsghdr align;
  } control;
  struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  *fd_count = 0;
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  bool truncated = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const unsigned char *data = CMSG_DATA(header);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, data + i * sizeof fd, sizeof fd);
      if (*fd_count < fd_capacity)
        fds[(*fd_count)++] = fd;
      else {
        close(fd);
        truncated = true;
      }
    }
  }
  if (truncated) {
    for (size_t i = 0; i < *fd_count; i++) close(fds[i]);
    *fd_count = 0;
    return -EMSGSIZE;
  }
  return received;
}

int cl_peer_credentials(int socket, struct cl_peer *peer) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
  *peer = (struct cl_peer){.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
  return 0;
}

int cl_peer_groups(int socket, uint32_t *groups, size_t capacity) {
  socklen_t length = (socklen_t)(capacity * sizeof *groups);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0 && errno != ERANGE) return -errno;
  return (int)(length / sizeof *groups);
}

int cl_unix_socket(int type) { return CL_RESULT(socket(AF_UNIX, type | SOCK_CLOEXEC, 0)); }

int cl_socketpair(int type, int fds[2]) { return CL_RESULT(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds)); }

/* A path, or an abstract name written with a leading '@' (unix(7)). Returns the address length or -errno. */
static int address_of(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, path, length);
  if (path[0] != '@') return sizeof *address;
  address->sun_path[0] = 0;
  return (int)(offsetof(struct sockaddr_un, sun_path) + length);
}

int cl_bind_unix(int socket, const char *path) {
  struct sockaddr_un address;
  int length = address_of(path, &address);
  return length < 0 ? length : CL_RESULT(bind(socket, (struct sockaddr *)&address, (socklen_t)length));
}

int cl_connect_unix(int socket, const char *path) {
  struct sockaddr_un address;
  int length = address_of(path, &address);
  if (length < 0) return length;
  int result;
  do result = connect(socket, (struct sockaddr *)&address, (socklen_t)length);
  while (result < 0 && errno == EINTR);
  return result < 0 ? -errno : 0;
}

int cl_accept(int socket) {
  int fd;
  do fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  return fd < 0 ? -errno : fd;
}

int cl_pass_credentials(int socket) {
  int on = 1;
  return CL_RESULT(setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
}

ssize_t cl_receive_credentials(int socket, void *bytes, size_t capacity, struct cl_peer *peer) {
  union {
    char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * MAX_FDS)];
    struct cmsghdr align;
  } control;
  struct iovec vector = {.iov_base = bytes, .iov_len = capacity};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  ssize_t received;
  do received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  *peer = (struct cl_peer){.pid = -1, .uid = UINT32_MAX, .gid = UINT32_MAX};
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS) {
      struct ucred credentials;
      memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      *peer = (struct cl_peer){.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
    } else if (header->cmsg_type == SCM_RIGHTS) {
      /* Nobody may park descriptors with us. */
      size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
        close(fd);
      }
    }
  }
  return received;
}
