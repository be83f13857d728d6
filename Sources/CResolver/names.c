/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CResolver.h"
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

int cresolver_text(const char *name, const char *server, uint16_t port, char *text, size_t size) {
  struct __res_state state;
  memset(&state, 0, sizeof state);
  if (res_ninit(&state) < 0) return -1;
  if (server) {
    struct sockaddr_in *address = &state.nsaddr_list[0];
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    state.nscount = 1;
    if (inet_pton(AF_INET, server, &address->sin_addr) != 1) {
      res_nclose(&state);
      return -1;
    }
  }
  unsigned char answer[NS_MAXMSG];
  int length = res_nquery(&state, name, ns_c_in, ns_t_txt, answer, sizeof answer);
  res_nclose(&state);
  ns_msg message;
  if (length < 0 || ns_initparse(answer, length, &message) < 0) return -1;
  size_t used = 0;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) < 0) return -1;
    if (ns_rr_type(record) != ns_t_txt) continue;
    const unsigned char *data = ns_rr_rdata(record);
    size_t left = ns_rr_rdlen(record);
    /* Strings of at most 255 bytes, each behind its length (RFC 1035, 3.3.14). */
    while (left > 0) {
      size_t part = data[0];
      if (part + 1 > left || used + part + 1 > size) return -1;
      memcpy(text + used, data + 1, part);
      used += part;
      data += part + 1;
      left -= part + 1;
    }
    if (used + 1 > size) return -1;
    text[used++] = '\n';
  }
  return (int)used;
}
