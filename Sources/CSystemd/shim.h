/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (c) 2026 the nodeagent authors */
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
