// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import Synchronization

/// The current registration of something that arms itself again and again; after it was replaced by nothing it stays
/// so.
final class ProtectedWatch: Sendable {
  private struct State {
    var watch: DescriptorWatcher.Watch?
    var stopped = false
  }
  private let state = Mutex(State())

  @discardableResult
  func replace(_ watch: DescriptorWatcher.Watch?) -> DescriptorWatcher.Watch? {
    state.withLock { state in
      defer {
        state.stopped = state.stopped || watch == nil
        state.watch = state.stopped ? nil : watch
      }
      return state.watch
    }
  }
}
