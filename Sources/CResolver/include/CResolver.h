/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#ifndef NODEAGENT_CRESOLVER_H
#define NODEAGENT_CRESOLVER_H

#include <stddef.h>

/* The texts of all TXT records of a name, each behind the other with a line feed; the bytes written, or -1. */
int cresolver_text(const char *name, char *text, size_t size);

#endif
