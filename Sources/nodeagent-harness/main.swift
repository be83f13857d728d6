// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ComponentHarness
import Glibc

// The container controller's end of the start is descriptor 3; 0, 1 and 2 are the null device.
exit(Harness.run(channel: 3))
