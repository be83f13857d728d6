// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel

/// Runs probes when they are due, each by itself: a slow one holds nobody up, and is not begun again before it has ended.
public actor ProbeScheduler {
  /// Looks once. It keeps the check's timeout itself; `nil` when it could not look, which says nothing about what it was to
  /// look at.
  public typealias Probe = @Sendable (ProbeAssignment) async -> ProbeResult?

  private struct Entry {
    var assignment: ProbeAssignment
    var due: UInt64
    var running = false
    var place = -1
  }

  private let probe: Probe
  private let report: @Sendable (ProbeResult) -> Void
  private var entries: [String: Entry] = [:]
  private var loop: Task<Void, Never>?
  private var sleeper: Task<Void, Never>?
  /// By due time, the earliest first; entries that have moved on are passed over.
  private var queue = DueQueue()
  /// Looks that were left out because the one before had not ended.
  public private(set) var missed = 0

  /// - Parameter report: gets each result; must not wait.
  public init(probe: @escaping Probe, report: @escaping @Sendable (ProbeResult) -> Void) {
    self.probe = probe
    self.report = report
  }

  /// Makes these the ones that are run. What has not changed keeps its rhythm.
  public func assign(_ assignments: [ProbeAssignment]) {
    let now = Clock.monotonicNanoseconds()
    var next: [String: Entry] = [:]
    for assignment in assignments {
      if let known = entries[assignment.id], known.assignment == assignment {
        next[assignment.id] = known
        continue
      }
      // Not all at once: spread over the first interval, but for the first second's sake.
      let first = UInt64.random(in: 0...UInt64(max(1, min(assignment.interval, 1000)))) * 1_000_000
      next[assignment.id] = Entry(
        assignment: assignment, due: now + first, running: entries[assignment.id]?.running ?? false)
      queue.insert(now + first, assignment.id)
    }
    entries = next
    if loop == nil { loop = Task { await self.run() } }
    sleeper?.cancel()
  }

  public func stop() {
    loop?.cancel()
    sleeper?.cancel()
    entries = [:]
  }

  private func run() async {
    while !Task.isCancelled {
      let now = Clock.monotonicNanoseconds()
      while let (due, id) = queue.first, due <= now {
        queue.removeFirst()
        guard let entry = entries[id], entry.due == due else { continue }
        begin(entry, now)
      }
      let pause = queue.first.map { $0.due > now ? $0.due - now : 0 } ?? 3_600_000_000_000
      let sleeping = Task { _ = try? await Task.sleep(for: .nanoseconds(Int64(min(pause, 3_600_000_000_000)))) }
      sleeper = sleeping
      await sleeping.value
    }
  }

  private func begin(_ entry: Entry, _ now: UInt64) {
    var entry = entry
    let id = entry.assignment.id
    let interval = Double(entry.assignment.interval) * 1e6
    let share = Double(entry.assignment.check.jitter) / 100
    entry.due = now + UInt64(interval * Double.random(in: (1 - share)...(1 + share)))
    queue.insert(entry.due, id)
    if entry.running {
      missed += 1
      entries[id] = entry
      return
    }
    entry.running = true
    entries[id] = entry
    let assignment = entry.assignment
    Task {
      let result = await probe(assignment)
      self.ended(id)
      if let result { report(result) }
    }
  }

  private func ended(_ id: String) { entries[id]?.running = false }
}

/// A binary heap of due times.
struct DueQueue {
  private var items: [(due: UInt64, id: String)] = []

  var first: (due: UInt64, id: String)? { items.first }

  mutating func insert(_ due: UInt64, _ id: String) {
    items.append((due, id))
    var child = items.count - 1
    while child > 0, items[child].due < items[(child - 1) / 2].due {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeFirst() {
    guard let last = items.popLast(), !items.isEmpty else { return }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child].due < items[least].due {
        least = child
      }
      if least == parent { return }
      items.swapAt(parent, least)
      parent = least
    }
  }
}
