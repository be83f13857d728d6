/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#ifndef NODEAGENT_CLINUX_INTERNAL_H
#define NODEAGENT_CLINUX_INTERNAL_H

#include <errno.h>

/* Turns the C library's convention (-1 and errno) into ours (the negated errno). */
#define CL_RESULT(call)                  \
  ({                                     \
    __typeof__(call) result_ = (call);   \
    result_ < 0 ? -errno : result_;      \
  })

#endif
