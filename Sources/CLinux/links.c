/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include "internal.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int cl_route_socket(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  /* The kernel answers at once or not at all. */
  struct timeval patience = {.tv_sec = 5};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int cl_request_links(int socket, uint32_t sequence) {
  struct {
    struct nlmsghdr header;
    struct ifinfomsg message;
  } request = {
      .header = {
          .nlmsg_len = sizeof request,
          .nlmsg_type = RTM_GETLINK,
          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
          .nlmsg_seq = sequence,
      }};
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do sent = sendto(socket, &request, sizeof request, 0, (struct sockaddr *)&kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  return CL_RESULT(sent < 0 ? -1 : 0);
}

ssize_t cl_receive_links(int socket, void *bytes, size_t capacity) {
  struct sockaddr_nl sender;
  socklen_t length = sizeof sender;
  ssize_t received;
  do {
    length = sizeof sender;
    received = recvfrom(socket, bytes, capacity, MSG_TRUNC, (struct sockaddr *)&sender, &length);
    /* Others may send to this socket, too. */
  } while ((received < 0 && errno == EINTR) || (received >= 0 && sender.nl_pid != 0));
  if (received < 0) return -errno;
  return (size_t)received > capacity ? -EMSGSIZE : received;
}

int cl_netlink_listen(int protocol, unsigned group) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1u << (group - 1)};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}
