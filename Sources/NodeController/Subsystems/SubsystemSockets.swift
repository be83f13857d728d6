// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel

/// The sockets that a sub-system is handed. They are open from its first start on, or from the agent's for one that its
/// callers start; callers wait in them while it is started again.
struct SubsystemSockets: Sendable {
  let specs: [SubsystemSpec.Socket]
  private let watcher: DescriptorWatcher
  private var opened: [SharedDescriptor] = []
  private var watches: [DescriptorWatcher.Watch] = []

  init(_ specs: [SubsystemSpec.Socket], watcher: DescriptorWatcher) {
    self.specs = specs
    self.watcher = watcher
  }

  /// Opens those that are not open, and watches them no more. Returns all in their order.
  mutating func open() throws -> [SharedDescriptor] {
    unwatch()
    if opened.count != specs.count {
      opened = []
      for spec in specs { opened.append(try Self.listen(spec)) }
    }
    return opened
  }

  private static func listen(_ spec: SubsystemSpec.Socket) throws -> SharedDescriptor {
    guard let address = ListenAddress(spec.listen) else {
      throw RPCError(.invalidParams, "\(spec.listen) is no address to listen on")
    }
    do {
      guard address.kind == .unix else { return SharedDescriptor(try address.listen(early: spec.early ?? false)) }
      // Closed to all but root until it has its owner.
      let socket = SharedDescriptor(try address.listen(mode: 0o600))
      let uid = try spec.user.map { user in
        var lookup = SubsystemSpec(name: spec.name)
        lookup.user = user
        return try SubsystemUser(lookup).uid
      }
      let gid = try spec.group.map { group in
        var lookup = SubsystemSpec(name: spec.name)
        lookup.group = group
        return try SubsystemUser(lookup).gid
      }
      try FileSystem.owner(address.host, uid: uid ?? 0, gid: gid ?? 0)
      try FileSystem.mode(address.host, spec.mode)
      return socket
    } catch let error as SyscallError {
      let hint = error.errno == EADDRINUSE ? "; another program listens there (ss -lptn says which)" : ""
      throw RPCError(
        .startFailed, "cannot listen on \(spec.listen): \(SyscallError.words(for: error.errno))\(hint)")
    }
  }

  /// Takes back what a keeper has kept, when it is what is asked for now.
  mutating func take(_ sockets: [SharedDescriptor], addresses: [String]) {
    if sockets.count == specs.count, addresses == specs.map(\.listen) { opened = sockets }
  }

  /// Calls `body` when somebody connects or sends. Once.
  mutating func watch(_ body: @escaping @Sendable () -> Void) throws {
    let sockets = try open()
    for socket in sockets { watches.append(try watcher.watch(socket.raw, body)) }
  }

  private mutating func unwatch() {
    for watch in watches { watcher.cancel(watch) }
    watches = []
  }

  mutating func close() {
    unwatch()
    opened = []
    for spec in specs {
      // The file of a socket that is not there any more would only mislead.
      if let address = ListenAddress(spec.listen), address.kind == .unix { try? FileSystem.remove(address.host) }
    }
  }
}
