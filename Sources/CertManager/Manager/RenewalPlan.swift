// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// When an identity's next certificate is made, and when somebody is told that there is none.
struct RenewalPlan: Sendable, Hashable {
  /// Of the newest certificate.
  var issued: Date
  var ends: Date
  /// From 0 to 1; so that a thousand identities of one moment are not renewed in one.
  var jitter: Double
  /// In a row.
  var failures = 0

  private static let shortestPause: TimeInterval = 1
  private static let longestPause: TimeInterval = 300

  private var life: TimeInterval { ends.timeIntervalSince(issued) }

  /// At half of its life, up to a tenth of that sooner.
  var due: Date { issued + life * (0.5 - 0.05 * jitter) }

  /// With less than a quarter of its life left, somebody has to look.
  var warning: Date { issued + life * 0.75 }

  /// After `failures` tries in vain, from now on: twice as long each time, to five minutes, with up to a quarter less; never later than
  /// a tenth of the life.
  var pause: TimeInterval {
    let doubled = Self.shortestPause * Double(1 << min(failures - 1, 10))
    return max(0.1, min(doubled, Self.longestPause, max(life / 10, 0.5))) * (1 - 0.25 * jitter)
  }
}
