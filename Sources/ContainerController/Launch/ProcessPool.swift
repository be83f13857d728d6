// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// Keeps a few processes prepared, so that a start does not wait for namespaces to be made: the network namespace
/// alone takes longer than the rest of a start.
///
/// It is filled while no more than one container is being started; when it is empty, a process is prepared on the spot.
final class ProcessPool: Sendable {
  private struct State {
    var ready: [PreparedProcess] = []
    var starts = 0
    var isFilling = false
    var isClosed = false
  }

  /// As many as a burst of starts finds ready; each is a sleeping process with about 200 KiB of memory of its own.
  static let size = 4

  private let harness: SharedDescriptor
  private let logger: Logger
  private let state = Mutex(State())

  init(harness: SharedDescriptor, logger: Logger) {
    self.harness = harness
    self.logger = logger
  }

  /// Gives a process to `body`, on the calling thread.
  func withProcess<Result>(_ body: (PreparedProcess) throws -> Result) throws -> Result {
    state.withLock { $0.starts += 1 }
    defer {
      state.withLock { $0.starts -= 1 }
      fill()
    }
    let process = try take() ?? PreparedProcess(harness: harness)
    // Now, while this start waits for the node controller and for PID 1: later it would delay what the caller waits for.
    fill()
    return try body(process)
  }

  private func take() -> PreparedProcess? {
    while let process = state.withLock({ $0.ready.popLast() }) {
      if process.child.pidfd.isRunning() { return process }
      // Somebody ended it, or its program could not be executed.
      process.end()
    }
    return nil
  }

  /// Fills the pool in the background.
  func fill() {
    let begin = state.withLock { state in
      guard !state.isFilling, !state.isClosed, state.starts <= 1, state.ready.count < Self.size else { return false }
      state.isFilling = true
      return true
    }
    guard begin else { return }
    Task {
      do {
        try await Blocking.run { while self.hasRoom() { self.add(try PreparedProcess(harness: self.harness)) } }
      } catch {
        // The next start tells its caller, if it still is so.
        self.logger.warning("cannot prepare a process", metadata: ["error": "\(error)"])
      }
      self.state.withLock { $0.isFilling = false }
    }
  }

  private func hasRoom() -> Bool { state.withLock { !$0.isClosed && $0.starts <= 1 && $0.ready.count < Self.size } }

  private func add(_ process: PreparedProcess) {
    let isKept = state.withLock { state in
      if !state.isClosed { state.ready.append(process) }
      return !state.isClosed
    }
    if !isKept { process.end() }
  }

  /// Ends the prepared processes.
  func close() {
    let left = state.withLock { state in
      state.isClosed = true
      defer { state.ready = [] }
      return state.ready
    }
    for process in left { process.end() }
  }
}
