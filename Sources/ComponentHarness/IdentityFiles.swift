// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

/// What the files of an identity have in them, at any moment.
///
/// A key and its certificate are two files, and a program that opens one and then the other could get the key of one
/// certificate and the next certificate. So a thread that has opened one of the two gets the other of the same, for ten seconds.
final class IdentityFiles: Sendable {
  private struct Generation {
    let number: Int
    let payload: any IdentityPayload
    /// The text itself, where the certificate was replaced and has left the keyring.
    var text: LockedBytes?
    func read() throws -> LockedBytes { try text ?? payload.read() }
  }

  private struct Reader {
    var generation: Int
    /// What the process has opened, and not yet what belongs to it.
    var opened: IdentityFile
    var until: UInt64
  }

  private struct State {
    var current: Generation
    var previous: Generation?
    /// What the last ones looked like, for who has their files open.
    var looks: [Int: Look]
    var readers: [Int32: Reader] = [:]
    var opened = 0
  }

  /// Of all files of one certificate.
  private struct Look {
    var sizes: [IdentityFile: Int]
    /// Seconds since 1970 by the wall clock.
    var time: Int
  }

  private let state: Mutex<State>
  private let clock: @Sendable () -> UInt64

  static let cohesion: UInt64 = 10_000_000_000
  /// Each open file takes a page of locked memory, of which a process has 8 MiB usually (`RLIMIT_MEMLOCK`).
  static let mostOpened = 256
  private static let mostReaders = 256
  private static let mostLooks = 16

  init(_ payload: any IdentityPayload, clock: @escaping @Sendable () -> UInt64 = Clock.monotonicNanoseconds) throws {
    self.clock = clock
    state = Mutex(State(current: Generation(number: 1, payload: payload), looks: [1: try Self.look(at: payload)]))
  }

  private static func look(at payload: any IdentityPayload) throws -> Look {
    let sizes = try payload.read().withBytes { text in
      Dictionary(uniqueKeysWithValues: IdentityFile.allCases.map { ($0, $0.part(of: text).count) })
    }
    return Look(sizes: sizes, time: Int(Clock.wallMicroseconds() / 1_000_000))
  }

  /// From now on another certificate, but for who is between two files.
  func replace(by payload: any IdentityPayload) throws {
    let now = clock()
    try state.withLock { state in
      let look = try Self.look(at: payload)
      let number = state.current.number + 1
      let readers = state.readers.filter { $0.value.until > now && $0.value.generation == state.current.number }
      let text = readers.isEmpty ? nil : try state.current.read()
      state.previous = text.map { Generation(number: state.current.number, payload: state.current.payload, text: $0) }
      state.readers = readers
      state.current = Generation(number: number, payload: payload)
      state.looks[number] = look
      state.looks[number - Self.mostLooks] = nil
    }
  }

  /// Milliseconds until ``forgetPrevious()`` has something to do.
  var patience: Int32? {
    state.withLock { state in
      guard state.previous != nil else { return nil }
      let last = state.readers.values.map(\.until).max() ?? 0
      let now = clock()
      return last > now ? Int32((last - now) / 1_000_000 + 1) : 0
    }
  }

  /// Wipes the certificate before this one when nobody is between its files any more.
  func forgetPrevious() {
    let now = clock()
    state.withLock { state in
      guard let previous = state.previous else { return }
      let isRead = state.readers.values.contains { $0.generation == previous.number && $0.until > now }
      if !isRead { state.previous = nil }
    }
  }

  /// The file that a process means by a name.
  func find(_ file: IdentityFile, for process: Int32) -> IdentityNode {
    let now = clock()
    return state.withLock { state in
      guard file.isOfPair, let reader = state.readers[process], reader.until > now, reader.opened != file,
        reader.generation == state.previous?.number
      else { return IdentityNode(state.current.number, file) }
      return IdentityNode(reader.generation, file)
    }
  }

  /// Its bytes, and since when it is there, in seconds since 1970; `nil` for one of long ago.
  func status(of node: IdentityNode) -> (bytes: Int, time: Int)? {
    state.withLock { state in state.looks[node.generation].map { ($0.sizes[node.file] ?? 0, $0.time) } }
  }

  /// Since when the present certificate is there.
  var time: Int { state.withLock { $0.looks[$0.current.number]?.time ?? 0 } }

  /// Takes a file's text for a process.
  ///
  /// - Throws: `ENFILE` where too many are open; `ESTALE`, upon which the kernel looks the name up again, where the
  ///   certificate was replaced; `ENOKEY`, `EKEYEXPIRED` where it has ended.
  func open(_ node: IdentityNode, by process: Int32) throws -> LockedBytes {
    let now = clock()
    return try state.withLock { state in
      guard state.opened < Self.mostOpened else {
        throw SyscallError(call: "open", object: node.file.name, errno: ENFILE)
      }
      let known = [state.current, state.previous].lazy.compactMap { $0 }.first { $0.number == node.generation }
      guard let known else { throw SyscallError(call: "open", object: node.file.name, errno: ESTALE) }
      let part = try known.read().withBytes { whole in
        let range = node.file.part(of: whole)
        return try LockedBytes(count: range.count) { copy in
          copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: whole[range]))
        }
      }
      state.opened += 1
      if node.file.isOfPair { Self.note(node, process, now, &state) }
      return part
    }
  }

  func closed() { state.withLock { $0.opened -= 1 } }

  private static func note(_ node: IdentityNode, _ process: Int32, _ now: UInt64, _ state: inout State) {
    if let reader = state.readers[process], reader.until > now, reader.opened != node.file,
      reader.generation == node.generation
    {
      state.readers[process] = nil
      return
    }
    if state.readers.count >= mostReaders { state.readers = state.readers.filter { $0.value.until > now } }
    // More than so many within ten seconds: the newest get no promise.
    if state.readers[process] != nil || state.readers.count < mostReaders {
      state.readers[process] = Reader(generation: node.generation, opened: node.file, until: now + cohesion)
    }
  }
}
