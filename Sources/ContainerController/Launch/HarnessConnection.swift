// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LaunchPlan
import LinuxKernel
import Synchronization

/// The controller's end of a conversation with PID 1 of a container.
///
/// Events are read on the watcher's thread, where nothing may wait, and handed to `deliver` in order; `nil` is the end.
final class HarnessConnection: Sendable {
  typealias Delivery = @Sendable (HarnessEvent, SharedDescriptor?) -> Void

  private let socket: SharedDescriptor
  private let watcher: DescriptorWatcher
  private let watch = Mutex<DescriptorWatcher.Watch?>(nil)

  init(_ socket: SharedDescriptor, watcher: DescriptorWatcher) {
    self.socket = socket
    self.watcher = watcher
  }

  deinit { stop() }

  /// Connects to a running PID 1.
  static func connect(_ path: String, watcher: DescriptorWatcher) throws(SyscallError) -> HarnessConnection {
    HarnessConnection(SharedDescriptor(try UnixSocket.connect(path, kind: .seqpacket)), watcher: watcher)
  }

  func send(_ request: HarnessRequest, descriptors: [SharedDescriptor] = []) throws(SyscallError) {
    try UnixSocket.send(request.encoded(), descriptors: descriptors, to: socket.raw)
  }

  /// Waits for the next event, before ``start(_:ended:)``; `nil` at the end of the conversation.
  ///
  /// - Throws: `ETIMEDOUT` when PID 1 says nothing for so long: it may be frozen, and nobody else shall wait for it.
  func receive(within milliseconds: Int32) throws -> HarnessEvent? {
    var poll = PollSet()
    poll.add(socket.raw)
    guard try poll.wait(milliseconds: milliseconds) else {
      throw SyscallError(call: "recvmsg", object: "PID 1's answer", errno: ETIMEDOUT)
    }
    let message = try UnixSocket.receive(from: socket.raw, capacity: 16 << 10, descriptors: 2)
    return message.bytes.isEmpty ? nil : try HarnessEvent(decoding: message.bytes)
  }

  /// Delivers events as they come, until `ended`.
  func start(_ deliver: @escaping Delivery, ended: @escaping @Sendable () -> Void) {
    do {
      let socket = socket
      let armed = try watcher.watch(socket.raw) { [weak self] in
        do {
          let message = try UnixSocket.receive(from: socket.raw, capacity: 16 << 10, descriptors: 2)
          guard !message.bytes.isEmpty else { return ended() }
          // What is no event comes from no harness of ours: the conversation is over.
          deliver(try HarnessEvent(decoding: message.bytes), message.descriptors.first)
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

  func stop() {
    if let armed = watch.withLock({ $0.take() }) { watcher.cancel(armed) }
  }
}
