// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LaunchPlan
import LinuxKernel

/// The controllers that are connected: the one that started the container, and whoever came by the control socket.
struct ControlChannels: ~Copyable {
  private let listening: Descriptor
  private(set) var descriptors: [Int32]
  private static let most = 8

  init(first: consuming Descriptor, listener: consuming Descriptor) {
    descriptors = [first.take()]
    listening = listener
    cl_set_nonblocking(descriptors[0], true)
    cl_set_nonblocking(listening.raw, true)
  }

  deinit { for descriptor in descriptors { Glibc.close(descriptor) } }

  var listener: Int32 { listening.raw }

  /// The oldest connection makes room for a new one: a controller that has died keeps none.
  mutating func accept() {
    while let connection = try? UnixSocket.accept(listening.raw) {
      cl_set_nonblocking(connection.raw, true)
      if descriptors.count >= Self.most { close(descriptors[0]) }
      descriptors.append(connection.take())
    }
  }

  mutating func close(_ descriptor: Int32) {
    guard let index = descriptors.firstIndex(of: descriptor) else { return }
    descriptors.remove(at: index)
    Glibc.close(descriptor)
  }

  mutating func send(_ event: some ControlMessage) {
    let bytes = event.encoded()
    for descriptor in descriptors { deliver(bytes, to: descriptor, descriptors: []) }
  }

  /// Sends to one.
  mutating func send(_ event: some ControlMessage, to descriptor: Int32, descriptors passed: [SharedDescriptor] = []) {
    deliver(event.encoded(), to: descriptor, descriptors: passed)
  }

  /// PID 1 waits for nobody: a peer that does not read is cut off, and asks for the state when it comes again.
  private mutating func deliver(_ bytes: [UInt8], to descriptor: Int32, descriptors passed: [SharedDescriptor]) {
    do {
      try UnixSocket.send(bytes, descriptors: passed, to: descriptor)
    } catch {
      close(descriptor)
    }
  }
}
