// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// Brings one sink what happens, in order; tries again for as long as it fails.
actor SinkWorker {
  let spec: EventSinkSpec
  private let delivery: any EventDelivery
  /// The next events after a number, of the node controller.
  private let fetch: @Sendable (UInt64) async throws -> EventSinkMethods.Fetched
  private let report: @Sendable (EventSinkState) async -> Void
  private(set) var state: EventSinkState
  private let waker: AsyncStream<Void>
  private let wake: AsyncStream<Void>.Continuation

  private static let firstPause: Duration = .seconds(1)
  private static let longestPause: Duration = .seconds(60)
  static let mostFetched = 500

  init(
    _ spec: EventSinkSpec, position: UInt64, delivery: any EventDelivery,
    fetch: @escaping @Sendable (UInt64) async throws -> EventSinkMethods.Fetched,
    report: @escaping @Sendable (EventSinkState) async -> Void
  ) {
    self.spec = spec
    self.delivery = delivery
    self.fetch = fetch
    self.report = report
    state = EventSinkState(name: spec.name, position: position)
    (waker, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  /// Something has happened.
  nonisolated func nudge() { wake.yield() }

  /// Until it is cancelled.
  func run() async {
    wake.yield()
    for await _ in waker {
      var pause = Self.firstPause
      while !Task.isCancelled {
        do {
          if try await !step() { break }
          pause = Self.firstPause
        } catch is CancellationError {
          return
        } catch {
          await fail("\(error)")
          // With some chance, so that the sinks of many nodes do not come back at the same moment.
          try? await Task.sleep(for: pause * Double.random(in: 0.8...1.2))
          pause = min(pause * 2, Self.longestPause)
        }
      }
    }
  }

  /// Returns false when there is nothing more.
  private func step() async throws -> Bool {
    let fetched = try await fetch(state.position)
    if fetched.earliest > state.position + 1 {
      let gone = fetched.earliest - state.position - 1
      try await delivery.deliver([Self.gap(gone, before: fetched.earliest)])
      state.dropped += gone
      state.position = fetched.earliest - 1
      await tell()
    }
    guard let last = fetched.events.last else { return false }
    // What the delivery itself causes must not cause another one without end: that it fails is for the other sinks.
    let wanted = fetched.events.filter { spec.accepts($0) && !($0.kind == "events" && $0.name == spec.name) }
    var rest = wanted[...]
    while !rest.isEmpty {
      let part = Array(rest.prefix(delivery.mostEvents))
      try await delivery.deliver(part)
      rest = rest.dropFirst(part.count)
      state.delivered += UInt64(part.count)
      state.position = part.last?.sequence ?? state.position
    }
    let isNews = !wanted.isEmpty || state.failure != nil || last.sequence - state.position > 100
    state.position = last.sequence
    state.failure = nil
    if isNews { await tell() }
    return true
  }

  private static func gap(_ count: UInt64, before sequence: UInt64) -> AgentEvent {
    AgentEvent(
      sequence: sequence - 1, time: Timestamp.now, kind: "events", name: "events", event: "lost", severity: .error,
      source: "monitor", cause: "\(count) events before this one were gone before they could be sent here",
      correlation: nil)
  }

  private func fail(_ cause: String) async {
    guard state.failure != cause else { return }
    state.failure = cause
    await tell()
  }

  private func tell() async { await report(state) }
}
