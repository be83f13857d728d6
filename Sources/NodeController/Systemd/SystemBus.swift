// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CSystemd
import Glibc
import JSONRPC
import LinuxKernel

/// A connection to systemd by D-Bus (sd-bus(3)), for one thread at a time. Calls wait.
final class SystemBus {
  let raw: OpaquePointer
  private static let timeoutMicroseconds: UInt64 = 90_000_000

  /// By the system bus or, where there is none, directly, as systemctl(1) does for root.
  init() throws {
    var bus: OpaquePointer?
    var result = sd_bus_open_system(&bus)
    if result < 0 {
      result = sd_bus_new(&bus)
      if result >= 0 { result = sd_bus_set_address(bus, "unix:path=/run/systemd/private") }
      if result >= 0 { result = sd_bus_start(bus) }
    }
    guard result >= 0, let bus else {
      sd_bus_unref(bus)
      throw RPCError(.unavailable, "systemd cannot be reached by D-Bus: \(SyscallError.words(for: -result))")
    }
    raw = bus
  }

  deinit { sd_bus_flush_close_unref(raw) }

  static let service = "org.freedesktop.systemd1"
  static let manager = "/org/freedesktop/systemd1"

  /// Calls a method and hands its answer to `read`.
  ///
  /// - Throws: `unavailable` with systemd's own words; ``RPCError/data`` has the D-Bus name of the error.
  @discardableResult
  func call<Result>(
    _ path: String, _ interface: String, _ member: String,
    _ build: (borrowing BusMessage) throws -> Void = { _ in },
    read: (borrowing BusMessage) throws -> Result
  ) throws -> Result {
    var message: OpaquePointer?
    try check(
      sd_bus_message_new_method_call(raw, &message, Self.service, path, interface, member),
      "making the message \(member)")
    let request = BusMessage(owning: message)
    try build(request)
    var failure = sd_bus_error()
    defer { sd_bus_error_free(&failure) }
    var answer: OpaquePointer?
    let result = sd_bus_call(raw, request.raw, Self.timeoutMicroseconds, &failure, &answer)
    guard result >= 0 else {
      let words = failure.message.map { String(cString: $0) } ?? SyscallError.words(for: -result)
      throw RPCError(
        .unavailable, "systemd refused \(member): \(words)",
        data: ["name": .string(failure.name.map { String(cString: $0) } ?? "")])
    }
    return try read(BusMessage(owning: answer))
  }

  func call(
    _ path: String, _ interface: String, _ member: String, _ build: (borrowing BusMessage) throws -> Void = { _ in }
  ) throws {
    try call(path, interface, member, build) { _ in }
  }

  /// The object of a unit, whether it is loaded or not.
  static func path(of unit: String) throws -> String {
    var text: UnsafeMutablePointer<CChar>?
    try check(sd_bus_path_encode("\(manager)/unit", unit, &text), "naming \(unit)")
    defer { free(text) }
    return text.map { String(cString: $0) } ?? ""
  }

  static func unit(of path: String) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard sd_bus_path_decode(path, "\(manager)/unit", &text) > 0 else { return nil }
    defer { free(text) }
    return text.map { String(cString: $0) }
  }

  static func check(_ result: Int32, _ what: String) throws {
    if result < 0 {
      throw RPCError(.internalError, "\(what) for D-Bus failed: \(SyscallError.words(for: -result))")
    }
  }

  private func check(_ result: Int32, _ what: String) throws { try Self.check(result, what) }

  // MARK: - Jobs

  /// Waits for jobs; what `begin` starts cannot end unseen.
  private final class Jobs {
    var ended: [String: String] = [:]
  }

  /// Runs `begin`, which returns the object of a job, and waits for the job's end.
  ///
  /// - Throws: `start failed` when the job's result is not `done`.
  func waitForJob(_ unit: String, _ begin: () throws -> String) throws {
    let jobs = Jobs()
    let context = Unmanaged.passUnretained(jobs)
    var slot: OpaquePointer?
    try check(
      sd_bus_match_signal(
        raw, &slot, Self.service, Self.manager, "org.freedesktop.systemd1.Manager", "JobRemoved",
        { message, context, _ in
          let jobs = Unmanaged<Jobs>.fromOpaque(context!).takeUnretainedValue()
          var id: UInt32 = 0
          guard sd_bus_message_read_basic(message, CChar(UInt8(ascii: "u")), &id) > 0,
            let path = BusMessage.text(message, "o"), BusMessage.text(message, "s") != nil,
            let result = BusMessage.text(message, "s")
          else { return 0 }
          jobs.ended[path] = result
          return 0
        }, context.toOpaque()), "listening for jobs")
    defer { sd_bus_slot_unref(slot) }
    // Without a subscriber systemd sends no signals. On its private socket nothing has to be asked for.
    _ = try? call(Self.manager, "org.freedesktop.systemd1.Manager", "Subscribe")
    let job = try begin()
    let deadline = Clock.monotonicNanoseconds() + 120_000_000_000
    while jobs.ended[job] == nil {
      let processed = sd_bus_process(raw, nil)
      try check(processed, "waiting for a job")
      if processed == 0 { try check(sd_bus_wait(raw, 1_000_000), "waiting for a job") }
      if Clock.monotonicNanoseconds() > deadline {
        throw RPCError(.deadlineExceeded, "systemd has not finished with \(unit) within two minutes")
      }
    }
    withExtendedLifetime(jobs) {}
    guard let result = jobs.ended[job], result == "done" || result == "skipped" else {
      throw RPCError(
        .startFailed,
        "systemd's job for \(unit) ended with \"\(jobs.ended[job] ?? "")\"; journalctl -u \(unit) says more",
        data: ["result": .string(jobs.ended[job] ?? "")])
    }
  }
}
