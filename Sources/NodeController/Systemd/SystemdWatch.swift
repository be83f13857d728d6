// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CSystemd
import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// Tells of changes of systemd's units, on a thread of its own.
final class SystemdWatch: Sendable {
  /// The names of units that have changed, again and again.
  let changes: AsyncStream<String>
  private let change: AsyncStream<String>.Continuation
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
    (changes, change) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(4096))
  }

  func start() throws(SyscallError) {
    try NamedThread.start("systemd-watch") { [self] in
      var pause: UInt32 = 1
      while true {
        let began = Clock.monotonicNanoseconds()
        do {
          try follow()
        } catch {
          // systemd or its bus was started again.
          logger.notice("systemd's signals are away", metadata: ["error": "\(error)"])
        }
        pause = Clock.monotonicNanoseconds() - began > 60_000_000_000 ? 1 : min(pause * 2, 60)
        sleep(pause)
      }
    }
  }

  private func follow() throws {
    let bus = try SystemBus()
    try SystemBus.check(
      sd_bus_match_signal(
        bus.raw, nil, SystemBus.service, nil, "org.freedesktop.DBus.Properties", "PropertiesChanged",
        { message, context, _ in
          guard let path = sd_bus_message_get_path(message), let unit = SystemBus.unit(of: String(cString: path)) else {
            return 0
          }
          Unmanaged<SystemdWatch>.fromOpaque(context!).takeUnretainedValue().change.yield(unit)
          return 0
        }, Unmanaged.passUnretained(self).toOpaque()), "listening for changes")
    try bus.call(SystemBus.manager, "org.freedesktop.systemd1.Manager", "Subscribe")
    while true {
      let processed = sd_bus_process(bus.raw, nil)
      try SystemBus.check(processed, "waiting for changes")
      if processed == 0 { try SystemBus.check(sd_bus_wait(bus.raw, .max), "waiting for changes") }
    }
  }
}
