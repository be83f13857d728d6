// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Synchronization

/// How the containers' checks are, as their controller told last.
final class ContainerHealth: Sendable {
  private let known = Mutex<[MetricSources.Check]>([])
  /// More than containers have checks; the rest is left out.
  private static let most = 10_000

  var checks: [MetricSources.Check] { known.withLock { $0 } }

  /// Its texts go into metrics and answers: they are what names can be, whatever was said.
  func take(_ checks: [MetricSources.Check]) {
    let sound = checks.prefix(Self.most).filter { check in
      check.owner.hasPrefix("container/")
        && ContainerSpec.problem(withName: String(check.owner.dropFirst("container/".count))) == nil
        && ContainerSpec.problem(withName: check.name) == nil
    }
    known.withLock { $0 = Array(sound) }
  }
}
