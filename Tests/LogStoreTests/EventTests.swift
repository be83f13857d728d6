// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

@testable import LogStore

/// A directory that goes with the value.
private final class Folder {
  let path: String
  init() {
    var template = Array("/tmp/nodeagent-events-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
  }
  deinit { try? FileSystem.removeTree(path) }
}

@Suite struct EventTests {
  private static func event(_ sequence: UInt64, name: String = "x") -> AgentEvent {
    AgentEvent(
      sequence: sequence, time: Timestamp.now, kind: "subsystem", name: name, event: "available", source: "test",
      cause: nil, correlation: nil)
  }

  private static func filter(_ query: EventMethods.Query = .init()) throws -> EventFilter { try EventFilter(query) }

  @Test func `numbers go on over a restart`() throws {
    let folder = Folder()
    for round in 0..<3 {
      let log = try EventLog(source: "test", directory: folder.path)
      for _ in 0..<10 { log.add(kind: "node", name: "n", event: "e\(round)", cause: nil, correlation: nil) }
    }
    let log = try EventLog(source: "test", directory: folder.path)
    #expect(try log.list(Self.filter()).map(\.sequence) == (1...30).map { UInt64($0) })
  }

  @Test func `the journal keeps its bound and loses the oldest`() throws {
    let folder = Folder()
    var journal = try EventJournal(directory: folder.path, segmentBytes: 2000, segments: 3)
    for sequence in 1...500 { journal.append(Self.event(UInt64(sequence))) }
    #expect(journal.last == 500)
    let files = try FileSystem.names(in: folder.path)
    #expect(files.count == 3)
    let size = try files.reduce(0) { $0 + (try FileSystem.read("\(folder.path)/\($1)").count) }
    #expect(size < 3 * 2300)
    let kept = try EventJournal.last(1000, in: folder.path) { _ in true }.map(\.sequence)
    #expect(kept.last == 500)
    #expect(kept == (kept[0]...500).map { $0 })
    #expect(try EventJournal.last(5, in: folder.path) { _ in true }.map(\.sequence) == [496, 497, 498, 499, 500])
  }

  @Test func `who comes back gets the next ones in order, and hears where the rest begins`() throws {
    let folder = Folder()
    var journal = try EventJournal(directory: folder.path, segmentBytes: 2000, segments: 3)
    for sequence in 1...500 { journal.append(Self.event(UInt64(sequence))) }
    let kept = try EventJournal.last(1000, in: folder.path) { _ in true }.map(\.sequence)
    for after in [0, 100, kept[0] - 2, kept[0] - 1, kept[0], kept[3], 490, 499, 500, 600] as [UInt64] {
      let (events, earliest) = try EventJournal.next(after: after, most: 7, in: folder.path)
      #expect(events.map(\.sequence) == Array(kept.drop { $0 <= after }.prefix(7)), "after \(after)")
      #expect(earliest == kept[0])
    }
    let log = try EventLog(source: "test", directory: folder.path)
    #expect(log.last == 500)
    for _ in 0..<3 { log.add(kind: "node", name: "n", event: "e", cause: nil, correlation: nil) }
    #expect(try log.next(after: 500, most: 2).events.map(\.sequence) == [501, 502])
    #expect(try log.next(after: 503, most: 2).events.isEmpty)
    #expect(try EventLog(source: "memory").next(after: 0, most: 2).events.isEmpty)
  }

  @Test(arguments: ["{\"sequence\":7,\"ti", "\u{0}\u{0}\u{0}", "no json at all"])
  func `a line that was cut off is cut off for good`(rest: String) throws {
    let folder = Folder()
    var journal = try EventJournal(directory: folder.path)
    for sequence in 1...2 { journal.append(Self.event(UInt64(sequence))) }
    let path = "\(folder.path)/log.000001"
    let file = try FileSystem.open(path, flags: O_WRONLY | O_APPEND)
    try FileSystem.write(Array(rest.utf8), to: file.raw)
    var next = try EventJournal(directory: folder.path)
    #expect(next.last == 2)
    next.append(Self.event(3))
    #expect(try EventJournal.last(10, in: folder.path) { _ in true }.map(\.sequence) == [1, 2, 3])
    #expect(try !FileSystem.readText(path).contains(rest))
  }

  @Test(.timeLimit(.minutes(2))) func `readers that go while events come hold nobody up`() async throws {
    let log = EventLog(source: "test")
    let writer = Task.detached {
      for _ in 0..<20_000 { log.add(kind: "node", name: "n", event: "e", cause: nil, correlation: nil) }
    }
    for _ in 0..<1000 {
      let reader = Task.detached { for await _ in try log.stream(nil) {} }
      await Task.yield()
      reader.cancel()
    }
    await writer.value
    #expect(log.last == 20_000)
  }

  @Test func `a query takes what it asks for`() throws {
    let log = EventLog(source: "test")
    log.add(kind: "container", name: "a", event: "started", cause: nil, correlation: nil)
    log.add(kind: "subsystem", name: "b", event: "failed", severity: .error, cause: nil, correlation: nil)
    log.add(kind: "subsystem", name: "c", event: "backoff", severity: .warning, cause: nil, correlation: nil)
    func names(_ query: EventMethods.Query) throws -> [String] { try log.list(Self.filter(query)).map(\.name) }
    #expect(try names(.init()) == ["a", "b", "c"])
    #expect(try names(.init(kinds: ["subsystem"])) == ["b", "c"])
    #expect(try names(.init(severity: .warning)) == ["b", "c"])
    #expect(try names(.init(severity: .error)) == ["b"])
    #expect(try names(.init(names: ["a", "c"])) == ["a", "c"])
    #expect(try names(.init(after: 2)) == ["c"])
    #expect(try names(.init(last: 1)) == ["c"])
    #expect(try names(.init(since: "1h")) == ["a", "b", "c"])
    #expect(try names(.init(since: "2999-01-01")) == [])
    #expect(throws: RPCError.self) { try Self.filter(.init(since: "soon")) }
  }

  @Test func `a follower gets the past that it asks for, and what comes, without a gap`() async throws {
    let folder = Folder()
    let log = try EventLog(source: "test", directory: folder.path)
    for _ in 0..<5 { log.add(kind: "node", name: "n", event: "e", cause: nil, correlation: nil) }
    let all = try log.stream(Self.filter(.init(after: 2)))
    let fresh = try log.stream(Self.filter())
    for _ in 0..<3 { log.add(kind: "node", name: "n", event: "e", cause: nil, correlation: nil) }
    var seen: [UInt64] = []
    for await event in all.prefix(6) { seen.append(event.sequence) }
    #expect(seen == [3, 4, 5, 6, 7, 8])
    seen = []
    for await event in fresh.prefix(3) { seen.append(event.sequence) }
    #expect(seen == [6, 7, 8])
  }
}
