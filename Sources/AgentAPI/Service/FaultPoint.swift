// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Places at which a test can end a daemon as `kill -9` would; nothing of it is in a release.
public struct FaultPoint: Sendable {
  private let file: String

  /// - Parameter directory: the daemon's own, which nobody else can write to.
  public init(directory: String) { file = "\(directory)/fault" }

  /// Ends the process if the file `fault` names this point, once.
  public func pass(_ name: String) {
    #if DEBUG
      guard let text = try? FileSystem.readText(file, limit: 256), text.filter({ !$0.isWhitespace }) == name,
        unlink(file) == 0
      else { return }
      kill(getpid(), SIGKILL)
      pause()
    #endif
  }
}
