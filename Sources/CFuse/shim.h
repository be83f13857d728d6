/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
