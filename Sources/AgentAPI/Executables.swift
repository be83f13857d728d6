// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Where the agent's own programs are.
public enum Executables {
  /// PID 1 of containers: beside the running executable, or where the package puts it.
  public static var harness: String? {
    let own = own
    let beside = own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/nodeagent-harness"
    return [String(beside), "/usr/lib/nodeagent/nodeagent-harness"].first { access($0, X_OK) == 0 }
  }

  /// The path of the running executable.
  public static var own: String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes { bytes in
      readlink("/proc/self/exe", bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : "nodeagent"
  }
}
