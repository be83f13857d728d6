// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

/// A name server on the loopback that knows TXT records (RFC 1035).
final class DNSStub: Sendable {
  private let socket: Int32
  let port: UInt16
  private let damaging = Mutex(false)

  /// Answers with bytes that were changed.
  var damages: Bool {
    get { damaging.withLock { $0 } }
    set { damaging.withLock { $0 = newValue } }
  }

  /// - Parameter records: the strings of each record of a name.
  init(_ records: [String: [[String]]]) throws {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(socket, address, length) == 0 ? getsockname(socket, address, &length) : -1
      }
    }
    guard result == 0 else { throw SyscallError(call: "bind", object: "a name server", errno: errno) }
    self.socket = socket
    port = UInt16(bigEndian: address.sin_port)
    try NamedThread.start("dns stub") { [self] in serve(records) }
  }

  /// Wakes the thread up and ends it.
  func stop() { shutdown(socket, Int32(SHUT_RDWR)) }

  deinit { close(socket) }

  private func serve(_ records: [String: [[String]]]) {
    while true {
      var query = [UInt8](repeating: 0, count: 512)
      var sender = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let count = withUnsafeMutablePointer(to: &sender) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(socket, &query, query.count, 0, $0, &length) }
      }
      guard count > 12 else { return }
      var answer = Self.answer(Array(query.prefix(count)), records)
      if damages { for _ in 0..<3 { answer[.random(in: 2..<answer.count)] = .random(in: 0...255) } }
      _ = withUnsafeMutablePointer(to: &sender) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(socket, answer, answer.count, 0, $0, length) }
      }
    }
  }

  private static func answer(_ query: [UInt8], _ records: [String: [[String]]]) -> [UInt8] {
    var labels: [String] = []
    var index = 12
    while index < query.count, query[index] > 0 {
      let end = min(query.count, index + 1 + Int(query[index]))
      labels.append(String(decoding: query[index + 1..<end], as: UTF8.self))
      index = end
    }
    let found = records[labels.joined(separator: ".")] ?? []
    // A response with recursion, one question, and so many answers.
    var bytes = Array(query[0..<2]) + [0x81, found.isEmpty ? 0x83 : 0x80, 0, 1, 0, UInt8(found.count), 0, 0, 0, 0]
    bytes += query[12..<min(query.count, index + 5)]
    for strings in found {
      let data = strings.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
      bytes += [0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, UInt8(data.count >> 8), UInt8(data.count & 255)] + data
    }
    return bytes
  }
}
