// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc

/// What `ps` on the host shows of PID 1.
///
/// It is started before its container has a name: with one argument of blanks, in whose place the name is
/// written (proc(5), cmdline).
enum ProcessTitle {
  static func set(_ name: String) {
    guard CommandLine.argc == 2, let place = CommandLine.unsafeArgv[1] else { return }
    let room = strlen(place)
    memset(place, 0, room)
    for (index, byte) in name.utf8.prefix(room).enumerated() { place[index] = CChar(bitPattern: byte) }
  }
}
