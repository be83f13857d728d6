// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Dispatch
import Synchronization

/// Writes to a database so that changes which come at the same time are on the disk at the same time: a disk takes one flush for many as long as
/// for one.
///
/// Each change is whole or not at all, by a savepoint of its own; nobody has his answer before his change is on the disk.
final class GroupCommit: Sendable {
  /// A change that waits, and whoever waits for it.
  private final class Work: Sendable {
    let body: @Sendable (Database) throws -> Void
    let failure = Mutex<(any Error)?>(nil)
    private let done: @Sendable ((any Error)?) -> Void
    init(_ body: @escaping @Sendable (Database) throws -> Void, done: @escaping @Sendable ((any Error)?) -> Void) {
      self.body = body
      self.done = done
    }

    func finish() { done(failure.withLock { $0 }) }
  }

  private struct Queue {
    var waiting: [Work] = []
    var isBeingWritten = false
  }

  private let database: Mutex<Database>
  /// Writes for those who wait without a thread.
  private let thread = DispatchQueue(label: "ledger")
  private let queue = Mutex(Queue())

  /// So that nobody waits for more than these.
  private static let most = 256

  init(_ database: sending Database) { self.database = Mutex(database) }

  /// Looks without changing.
  func read<Result: Sendable>(_ body: (Database) throws -> Result) rethrows -> Result {
    try database.withLock { try body($0) }
  }

  /// Changes, and waits until the change is on the disk.
  func commit<Result: Sendable>(_ body: @escaping @Sendable (Database) throws -> Result) throws -> Result {
    let result = Mutex<Result?>(nil)
    let failure = Mutex<(any Error)?>(nil)
    let done = DispatchSemaphore(value: 0)
    let work = Work {
      let value = try body($0)
      result.withLock { $0 = value }
    } done: { problem in
      failure.withLock { $0 = problem }
      done.signal()
    }
    if enqueue(work) { write() }
    done.wait()
    if let failure = failure.withLock({ $0 }) { throw failure }
    guard let value = result.withLock({ $0 }) else {
      throw CertificateProblem.unusable("the ledger has written nothing")
    }
    return value
  }

  /// The same without a thread that waits: for many at once.
  func commit(_ body: @escaping @Sendable (Database) throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      let work = Work(body) { problem in
        if let problem { continuation.resume(throwing: problem) } else { continuation.resume() }
      }
      if enqueue(work) { thread.async { [self] in write() } }
    }
  }

  /// - Returns: true where nobody writes yet, and the caller has to see to it.
  private func enqueue(_ work: Work) -> Bool {
    queue.withLock { queue in
      queue.waiting.append(work)
      defer { queue.isBeingWritten = true }
      return !queue.isBeingWritten
    }
  }

  /// Whoever came first writes for all, until nobody waits.
  private func write() {
    while true {
      let batch = queue.withLock { queue in
        let batch = Array(queue.waiting.prefix(Self.most))
        queue.waiting.removeFirst(batch.count)
        if batch.isEmpty { queue.isBeingWritten = false }
        return batch
      }
      guard !batch.isEmpty else { return }
      do {
        try database.withLock { database in
          try database.transaction { for work in batch { try Self.run(work, database) } }
        }
      } catch {
        // Of a transaction that failed nothing is there.
        for work in batch { work.failure.withLock { $0 = $0 ?? error } }
      }
      for work in batch { work.finish() }
    }
  }

  /// - Throws: where the database itself fails, and with it all of the batch.
  private static func run(_ work: Work, _ database: Database) throws {
    try database.run("SAVEPOINT one")
    do {
      try work.body(database)
    } catch {
      work.failure.withLock { $0 = error }
      try database.run("ROLLBACK TO one")
    }
    try database.run("RELEASE one")
  }
}
