// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LinuxKernel

/// The signals that end a daemon, as an asynchronous sequence.
enum DaemonSignals {
  /// Blocks `signals` for the process and delivers them. Must come before the process has a second thread.
  static func stream<Element: Sendable>(_ signals: [(number: Int32, element: Element)]) throws -> AsyncStream<Element> {
    signal(SIGPIPE, SIG_IGN)
    let numbers = signals.map(\.number)
    let result = cl_signal_descriptor(numbers, numbers.count)
    guard result >= 0 else { throw SyscallError(call: "signalfd", object: "this process", errno: -result) }
    let descriptor = SharedDescriptor(Descriptor(owning: result))
    let (stream, continuation) = AsyncStream.makeStream(of: Element.self)
    try NamedThread.start("signals") {
      while true {
        var poll = PollSet()
        poll.add(descriptor.raw)
        guard (try? poll.wait()) != nil else { return }
        let number = cl_next_signal(descriptor.raw, nil)
        if let element = signals.first(where: { $0.number == number })?.element { continuation.yield(element) }
      }
    }
    return stream
  }
}
