// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// A bundle as the store remembers it: `bundles/DIGEST.json`.
struct BundleRecord: Codable, Sendable, Hashable {
  var digest: String
  var size: UInt64
  var files: UInt64
  var imported: String
  var notes: [String]
  var descriptor: BundleDescriptor

  var reference: String { "\(descriptor.name):\(descriptor.version)" }
}
