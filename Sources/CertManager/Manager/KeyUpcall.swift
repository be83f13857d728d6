// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Whether the kernel's requests for keys reach a manager (request-key.conf(5)).
public enum KeyUpcall {
  public static let program = "/sbin/request-key"
  public static let configuration = "/etc/request-key.d/nodeagent.conf"

  /// The line that has the harness answer for identities.
  ///
  /// - Parameter harness: its path.
  public static func line(harness: String) -> String { "create user nodeagent:cert:* * \(harness) request-key %k %u\n" }

  /// Why the kernel's requests do not; `nil` where they should.
  public static func problem() -> String? {
    guard FileSystem.exists(program) else {
      return "\(program) is not there, which the kernel runs for keys; install the package keyutils"
    }
    guard let text = try? FileSystem.readText(configuration, limit: 4096) else {
      return "\(configuration) cannot be read; nodeagent cert setup writes it"
    }
    let words = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.flatMap { $0.split(separator: " ") }
    guard words.count == 8, words[5] == "request-key" else {
      return "\(configuration) is not as nodeagent cert setup writes it"
    }
    guard FileSystem.exists(String(words[4])) else {
      return "\(configuration) names \(words[4]), which is not there; nodeagent cert setup writes it anew"
    }
    return nil
  }
}
