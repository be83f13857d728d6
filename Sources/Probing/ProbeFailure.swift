// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Why a probe failed, in words for people.
struct ProbeFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}
