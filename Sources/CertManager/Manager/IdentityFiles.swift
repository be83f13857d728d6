// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import LinuxKernel

/// The records of identities, `AGENT.json` in a directory that is empty after a boot: agents do not outlive one.
struct IdentityFiles: Sendable {
  let directory: String

  func write(_ record: IdentityRecord) throws {
    try FileSystem.replace(path(record.agent), with: Array(try JSONText.encode(record).utf8), mode: 0o600)
  }

  func remove(_ agent: String) throws { try FileSystem.remove(path(agent)) }

  /// - Returns: what could be read, and the names of files that could not.
  func load() throws -> (records: [IdentityRecord], broken: [String]) {
    var (records, broken): ([IdentityRecord], [String]) = ([], [])
    for name in try FileSystem.names(in: directory).sorted() where name.hasSuffix(".json") {
      do {
        records.append(try JSONText.decode(IdentityRecord.self, try FileSystem.read("\(directory)/\(name)")))
      } catch {
        broken.append(name)
      }
    }
    return (records, broken)
  }

  private func path(_ agent: String) -> String { "\(directory)/\(agent).json" }
}
