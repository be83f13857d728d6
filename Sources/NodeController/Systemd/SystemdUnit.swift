// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CSystemd
import JSONRPC
import LinuxKernel

/// A unit of systemd, by its D-Bus interface (org.freedesktop.systemd1(5)). Calls wait.
struct SystemdUnit: Sendable {
  let name: String

  private static let manager = "org.freedesktop.systemd1.Manager"

  /// What it is now.
  struct Properties: Sendable, Equatable {
    var load = ""
    var active = ""
    var sub = ""
    var result = ""
    var statusText = ""
    var group = ""
    var pid: Int32 = 0
    var exitCode: UInt64 = 0
    var restarts = 0
    var memory: UInt64?
    var cpuNanoseconds: UInt64?
    var tasks: UInt64?
  }

  func properties() throws -> Properties {
    let bus = try SystemBus()
    var found = Properties()
    for interface in ["Unit", "Service"] {
      try bus.call(
        try SystemBus.path(of: name), "org.freedesktop.DBus.Properties", "GetAll",
        { try $0.add("\(SystemBus.service).\(interface)") }
      ) { try Self.read($0) { found.set($0, $1) } }
    }
    return found
  }

  private static func read(_ message: borrowing BusMessage, _ body: (String, BusValue) -> Void) throws {
    try SystemBus.check(sd_bus_message_enter_container(message.raw, CChar(UInt8(ascii: "a")), "{sv}"), "an answer")
    while sd_bus_message_enter_container(message.raw, CChar(UInt8(ascii: "e")), "sv") > 0 {
      let key = try message.text()
      if let value = try message.variant() { body(key, value) }
      try SystemBus.check(sd_bus_message_exit_container(message.raw), "an answer")
    }
  }

  /// Starts, stops or reloads it, and waits for the end of the job.
  func run(_ member: String) throws {
    let bus = try SystemBus()
    try bus.waitForJob(name) {
      try bus.call(
        SystemBus.manager, Self.manager, member,
        { message in
          try message.add(name)
          try message.add("replace")
        }
      ) { try $0.text("o") }
    }
  }

  /// Makes it as a transient unit, and waits until it is started.
  func start(_ properties: (borrowing BusMessage) throws -> Void) throws {
    let bus = try SystemBus()
    try bus.waitForJob(name) {
      try bus.call(
        SystemBus.manager, Self.manager, "StartTransientUnit",
        { message in
          try message.add(name)
          try message.add("fail")
          try message.container("a", "(sv)", properties)
          try message.container("a", "(sa(sv))") { _ in }
        }
      ) { try $0.text("o") }
    }
  }

  /// Stops it where it is there, and forgets that it has failed.
  func remove() throws {
    do {
      try run("StopUnit")
    } catch let error as RPCError where error.data?["name"]?.stringValue == "org.freedesktop.systemd1.NoSuchUnit" {
      return
    }
    let bus = try SystemBus()
    // Usually it is gone by now.
    _ = try? bus.call(SystemBus.manager, Self.manager, "ResetFailedUnit") { try $0.add(name) }
  }
}

extension SystemdUnit.Properties {
  fileprivate mutating func set(_ key: String, _ value: BusValue) {
    switch (key, value) {
    case ("LoadState", .text(let text)): load = text
    case ("ActiveState", .text(let text)): active = text
    case ("SubState", .text(let text)): sub = text
    case ("Result", .text(let text)): result = text
    case ("StatusText", .text(let text)): statusText = text
    case ("ControlGroup", .text(let text)): group = text
    case ("MainPID", .number(let number)): pid = Int32(truncatingIfNeeded: number)
    case ("ExecMainStatus", .number(let number)): exitCode = number
    case ("NRestarts", .number(let number)): restarts = Int(truncatingIfNeeded: number)
    case ("MemoryCurrent", .number(let number)): memory = number == .max ? nil : number
    case ("CPUUsageNSec", .number(let number)): cpuNanoseconds = number == .max ? nil : number
    case ("TasksCurrent", .number(let number)): tasks = number == .max ? nil : number
    default: break
    }
  }
}
