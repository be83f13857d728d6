// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ComponentHarness
import Glibc

// The node controller starts it so for a sub-system of the host; the conversation is descriptor 0.
if CommandLine.arguments.dropFirst().first == "keep" { exit(Keeper.run(channel: 0)) }
// /sbin/request-key starts it so for a key that is an identity.
if CommandLine.arguments.dropFirst().first == "request-key" {
  exit(KeyRequest.run(Array(CommandLine.arguments.dropFirst(2))))
}
// Its first steps change the mounts and the network of the namespaces that it is in: they must be a container's.
guard getpid() == 1 else {
  let words = "nodeagent-harness is PID 1 of a container; the agent starts it, and nobody else can\n"
  _ = words.withCString { write(2, $0, strlen($0)) }
  exit(64)
}
// The container controller's end of the start is descriptor 3; 0, 1 and 2 are the null device.
exit(Harness.run(channel: 3))
