/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define _GNU_SOURCE
#include "CLinux.h"
#include <string.h>

const char *cl_errno_name(int error) { return strerrorname_np(error); }
const char *cl_errno_text(int error) { return strerrordesc_np(error); }
