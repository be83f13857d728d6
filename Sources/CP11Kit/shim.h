/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
