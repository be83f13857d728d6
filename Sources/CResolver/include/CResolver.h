/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#ifndef NODEAGENT_CRESOLVER_H
#define NODEAGENT_CRESOLVER_H

#include <stddef.h>
#include <stdint.h>

/* The texts of all TXT records of a name, each behind the other with a line feed; the bytes written, or -1. `server` is an
   IPv4 address to ask, or NULL for those of resolv.conf(5). */
int cresolver_text(const char *name, const char *server, uint16_t port, char *text, size_t size);

#endif
