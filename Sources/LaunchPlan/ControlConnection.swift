// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

/// A message of a conversation between a controller and a process that it started; one a `SOCK_SEQPACKET` packet.
public protocol ControlMessage: Sendable {
  func encoded() -> [UInt8]
  init(decoding bytes: [UInt8]) throws(DecodingFailure)
}

/// The controller's end of a conversation with PID 1 of a container.
public typealias HarnessConnection = ControlConnection<HarnessRequest, HarnessEvent>

/// The controller's end of a conversation with a process that it started.
///
/// Events are read on the watcher's thread, where nothing may wait, and handed to `deliver` in order; `nil` is the end.
public final class ControlConnection<Request: ControlMessage, Event: ControlMessage>: Sendable {
  /// An event with the descriptors that came with it.
  public typealias Delivery = @Sendable (Event, [SharedDescriptor]) -> Void

  private let socket: SharedDescriptor
  private let watcher: DescriptorWatcher
  private let watch = Mutex<DescriptorWatcher.Watch?>(nil)

  public init(_ socket: SharedDescriptor, watcher: DescriptorWatcher) {
    self.socket = socket
    self.watcher = watcher
    // A peer that is frozen reads nothing: what does not fit into its queue is refused and waits for nobody.
    try? Descriptor.setNonblocking(socket.raw, true)
  }

  deinit { stop() }

  /// Connects to a running one.
  public static func connect(_ path: String, watcher: DescriptorWatcher) throws(SyscallError) -> ControlConnection {
    ControlConnection(SharedDescriptor(try UnixSocket.connect(path, kind: .seqpacket)), watcher: watcher)
  }

  /// - Throws: `EAGAIN` when the peer has not read what was sent before.
  public func send(_ request: Request, descriptors: [SharedDescriptor] = []) throws(SyscallError) {
    try UnixSocket.send(request.encoded(), descriptors: descriptors, to: socket.raw)
  }

  /// The peer's credentials, as they were when the conversation began.
  public var peer: PeerCredentials { get throws(SyscallError) { try PeerCredentials(of: socket.raw) } }

  /// Waits for the next event, before ``start(_:ended:)``; `nil` at the end of the conversation.
  ///
  /// - Throws: `ETIMEDOUT` when it says nothing for so long: it may be frozen, and nobody else shall wait for it.
  public func receive(within milliseconds: Int32) throws -> (event: Event, descriptors: [SharedDescriptor])? {
    var poll = PollSet()
    poll.add(socket.raw)
    guard try poll.wait(milliseconds: milliseconds) else {
      throw SyscallError(call: "recvmsg", object: "the answer", errno: ETIMEDOUT)
    }
    let message = try UnixSocket.receive(from: socket.raw, capacity: 16 << 10, descriptors: 32)
    return message.bytes.isEmpty ? nil : (try Event(decoding: message.bytes), message.descriptors)
  }

  /// Delivers events as they come, until `ended`.
  public func start(_ deliver: @escaping Delivery, ended: @escaping @Sendable () -> Void) {
    do {
      let socket = socket
      let armed = try watcher.watch(socket.raw) { [weak self] in
        do {
          let message = try UnixSocket.receive(from: socket.raw, capacity: 16 << 10, descriptors: 2)
          guard !message.bytes.isEmpty else { return ended() }
          // What is no event comes from no harness of ours: the conversation is over.
          deliver(try Event(decoding: message.bytes), message.descriptors)
        } catch {
          return ended()
        }
        self?.start(deliver, ended: ended)
      }
      watch.withLock { $0 = armed }
    } catch {
      ended()
    }
  }

  /// Its events in order, to its end. The connection must be kept so long.
  public func events() -> AsyncStream<(Event, [SharedDescriptor])> {
    let (stream, continuation) = AsyncStream.makeStream(of: (Event, [SharedDescriptor]).self)
    start({ continuation.yield(($0, $1)) }, ended: { continuation.finish() })
    return stream
  }

  public func stop() {
    if let armed = watch.withLock({ $0.take() }) { watcher.cancel(armed) }
  }
}
