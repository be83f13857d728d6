// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import Synchronization

/// One thread that waits on many descriptors (epoll(7)) and tells their owners when they can be read.
///
/// A watch is one-shot: it fires once and is armed again with ``watch(_:_:)``, so that an owner that is slow is not
/// called a second time for the same thing.
public final class DescriptorWatcher: Sendable {
  private let epoll: SharedDescriptor
  private let handlers = Mutex<[UInt64: (descriptor: Int32, body: @Sendable () -> Void)]>([:])
  private let next = Atomic<UInt64>(1)

  public init(name: String) throws(SyscallError) {
    epoll = SharedDescriptor(
      Descriptor(owning: try check(cl_epoll_create(), "epoll_create1", name)))
    try NamedThread.start(name) { [self] in loop() }
  }

  /// A registration; cancel it before the descriptor is closed.
  public struct Watch: Sendable, Hashable {
    let id: UInt64
  }

  /// Calls `body` once, on the watcher's thread, when `descriptor` can be read, or written, or has ended. `body` must not
  /// wait.
  public func watch(_ descriptor: Int32, writing: Bool = false, _ body: @escaping @Sendable () -> Void)
    throws(SyscallError) -> Watch
  {
    let id = next.add(1, ordering: .relaxed).oldValue
    handlers.withLock { $0[id] = (descriptor, body) }
    do {
      try check(cl_epoll_arm(epoll.raw, descriptor, id, writing), "epoll_ctl", "descriptor \(descriptor)")
    } catch {
      handlers.withLock { _ = $0.removeValue(forKey: id) }
      throw error
    }
    return Watch(id: id)
  }

  /// The watch does not fire any more, unless it is firing already.
  public func cancel(_ watch: Watch) {
    guard let entry = handlers.withLock({ $0.removeValue(forKey: watch.id) }) else { return }
    cl_epoll_remove(epoll.raw, entry.descriptor)
  }

  /// Returns when `descriptor` can be read or has ended, or cannot be watched.
  public func untilReadable(_ descriptor: Int32) async {
    await withCheckedContinuation { continuation in
      do {
        _ = try watch(descriptor) { continuation.resume() }
      } catch {
        continuation.resume()
      }
    }
  }

  /// Returns when `socket` can be written or has failed, cannot be watched, or the caller is cancelled.
  public func untilWritable(_ socket: SharedDescriptor) async {
    let wait = OneWait()
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        wait.begin(continuation)
        do {
          // The handler keeps the descriptor open until it has fired.
          let armed = try watch(socket.raw, writing: true) {
            withExtendedLifetime(socket) {}
            wait.end()
          }
          wait.armed(armed)
        } catch {
          wait.end()
        }
      }
    } onCancel: {
      wait.end()
    }
    if let armed = wait.watch { cancel(armed) }
  }

  /// Resumes once, whoever comes first.
  private final class OneWait: Sendable {
    private struct State {
      var continuation: CheckedContinuation<Void, Never>?
      var isOver = false
      var watch: Watch?
    }
    private let state = Mutex(State())

    var watch: Watch? { state.withLock { $0.watch } }

    func begin(_ continuation: CheckedContinuation<Void, Never>) {
      let isOver = state.withLock { state in
        if !state.isOver { state.continuation = continuation }
        return state.isOver
      }
      if isOver { continuation.resume() }
    }

    func armed(_ watch: Watch) { state.withLock { $0.watch = watch } }

    func end() {
      let continuation = state.withLock { state in
        state.isOver = true
        return state.continuation.take()
      }
      continuation?.resume()
    }
  }

  private func loop() {
    var ids = [UInt64](repeating: 0, count: 64)
    while true {
      let count = cl_epoll_wait(epoll.raw, &ids, ids.count)
      guard count >= 0 else { return }
      for id in ids.prefix(Int(count)) { handlers.withLock { $0.removeValue(forKey: id) }?.body() }
    }
  }
}
