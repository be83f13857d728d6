// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// What writes a log, as far as a reader has to know it: one at rest writes no more.
public protocol LogSource: Sendable {
  var isAtRest: Bool { get async }
  /// Returns when it is at rest, or when the caller is cancelled.
  func waitUntilAtRest() async
}

/// Sends a log to a subscriber, and goes on as it grows, until its source is at rest.
public struct LogFollower: Sendable {
  let source: any LogSource
  let reader: LogReader
  let watcher: DescriptorWatcher

  public init(source: any LogSource, reader: LogReader, watcher: DescriptorWatcher) {
    self.source = source
    self.reader = reader
    self.watcher = watcher
  }

  /// Events that are held at once, however long the log is.
  private static let batch = 512

  public func run(_ query: LogQuery, filter: LogFilter, sink: EventSink) async throws {
    let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    // Watching begins before the first reading: nothing falls between.
    let notices = query.follow == true ? try await watch(change) : nil
    defer { notices?.stop() }
    var position = LogReader.Position(segment: 0, offset: 0)
    if let last = query.last {
      let (records, end) = try await Blocking.run { [reader] in
        let end = try reader.end()
        return (try reader.last(last, filter), end)
      }
      for record in records { try await sink.send(record.entry) }
      position = end
    }
    let ended = Task { [source] in
      await source.waitUntilAtRest()
      change.yield()
    }
    defer { ended.cancel() }
    while true {
      let atRest = await source.isAtRest
      let from = position
      let (records, next) = try await Blocking.run { [reader] in
        var found: [LogRecord] = []
        let next = try reader.read(from: from) { record in
          if filter.accepts(record) { found.append(record) }
          return found.count < Self.batch
        }
        return (found, next)
      }
      position = next
      for record in records { try await sink.send(record.entry) }
      if records.count == Self.batch { continue }
      if query.follow != true || atRest { return }
      if let until = filter.until, Clock.wallMicroseconds() > until { return }
      var iterator = changes.makeAsyncIterator()
      guard await iterator.next() != nil else { return }
      try Task.checkCancellation()
    }
  }

  private func watch(_ change: AsyncStream<Void>.Continuation) async throws -> Notices {
    let inotify = try Inotify()
    try inotify.watch(reader.directory)
    let notices = Notices(SharedDescriptor(try inotify.descriptor.duplicate()), watcher)
    notices.arm { change.yield() }
    return notices
  }

  /// The directory's notices, which only say that there is something to read.
  private final class Notices: Sendable {
    private let descriptor: SharedDescriptor
    private let watcher: DescriptorWatcher
    private let watch = ProtectedWatch()

    init(_ descriptor: SharedDescriptor, _ watcher: DescriptorWatcher) {
      self.descriptor = descriptor
      self.watcher = watcher
    }

    func arm(_ body: @escaping @Sendable () -> Void) {
      let armed = try? watcher.watch(descriptor.raw) { [weak self] in
        guard let self else { return }
        var buffer = [UInt8](repeating: 0, count: 4096)
        _ = try? FileSystem.read(self.descriptor.raw, into: &buffer, object: "inotify")
        body()
        self.arm(body)
      }
      watch.replace(armed).map(watcher.cancel)
    }

    func stop() { watch.stop().map(watcher.cancel) }
  }
}
