// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import LinuxKernel

/// A line on a terminal's stderr that says how far a transfer is; nothing where nobody looks.
struct Progress {
  private let enabled: Bool
  private var last: UInt64 = 0
  private var shown = false

  init(quiet: Bool) { enabled = Terminal.errorIsTerminal && !quiet }

  mutating func show(_ stage: String, _ done: UInt64, of total: UInt64?) {
    guard enabled else { return }
    let now = Clock.monotonicNanoseconds()
    guard now - last > 100_000_000 else { return }
    last = now
    shown = true
    let share = total.map { $0 > 0 ? " \(min(100, done * 100 / $0))%" : "" } ?? ""
    Terminal.writeError("\r\u{1b}[K\(stage) \(Format.bytes(done, of: total))\(share)")
  }

  mutating func clear() {
    if shown { Terminal.writeError("\r\u{1b}[K") }
    shown = false
  }
}
