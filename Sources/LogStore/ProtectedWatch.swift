// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import Synchronization

/// The current registration of something that arms itself again and again, until it is stopped.
final class ProtectedWatch: Sendable {
  private struct State {
    var watch: DescriptorWatcher.Watch?
    var stopped = false
  }
  private let state = Mutex(State())

  /// Puts a new registration in place of the one that has fired. Returns it for cancelling when it came too late.
  func replace(_ watch: DescriptorWatcher.Watch?) -> DescriptorWatcher.Watch? {
    state.withLock { state in
      if state.stopped { return watch }
      state.watch = watch
      return nil
    }
  }

  /// Returns the last registration for cancelling.
  func stop() -> DescriptorWatcher.Watch? {
    state.withLock { state in
      state.stopped = true
      return state.watch.take()
    }
  }
}
