// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel

/// Places at which a test can end the controller as `kill -9` would; nothing of it is in a release.
struct FaultPoint: Sendable {
  let instance: Instance

  /// Ends the process if the file `fault` of the controller's run directory names this point, once.
  func pass(_ name: String) {
    #if DEBUG
      let path = "\(instance.controllerRun)/fault"
      guard let text = try? FileSystem.readText(path, limit: 256), text.filter({ !$0.isWhitespace }) == name,
        unlink(path) == 0
      else { return }
      kill(getpid(), SIGKILL)
      pause()
    #endif
  }
}
