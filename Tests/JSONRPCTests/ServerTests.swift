// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// Clients block: they run on threads of their own, or they would take those that the server needs.
@Suite struct ServerTests {
  @Test func `a call is answered`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      #expect(try server.client().call(TestServer.double, .init(value: 21)).value == 42)
    }
  }

  @Test(arguments: [
    ("1", JSONValue.integer(1)), ("\"a\"", .string("a")), ("null", .null), ("-7", .integer(-7)), ("1.5", .number(1.5)),
  ])
  func `an id comes back as it was`(id: String, expected: JSONValue) async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let line = "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":\"double\",\"params\":{\"value\":2}}"
      let answer = try server.exchange(line, answers: 1)[0]
      #expect(answer["id"] == expected)
      #expect(answer["result"] == ["value": 4])
    }
  }

  /// Every refusal has its code and keeps the connection.
  @Test(arguments: [
    ("{", -32700), ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600), ("42", -32600), ("[]", -32600),
    ("{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"double\"}", -32600),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"nope\"}", -32601),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"double\",\"params\":{}}", -32602),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"double\",\"params\":{\"value\":\"x\"}}", -32602),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"double\",\"params\":{\"value\":1,\"valeu\":2}}", -32602),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"secret\"}", 1001),
    ("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"double\"}", -32700),
  ])
  func `a refusal has its code, and the connection goes on`(line: String, code: Int64) async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let good = "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"double\",\"params\":{\"value\":1}}"
      let answers = try server.exchange("\(line)\n\(good)", answers: 2)
      let error = answers.first { $0["error"] != nil }
      #expect(error?["error"]?["code"] == .integer(code))
      #expect(answers.contains { $0["result"] == ["value": 2] })
    }
  }

  @Test func `a batch is answered in its order, notifications are not`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let calls = (0..<20).map {
        "{\"jsonrpc\":\"2.0\",\"id\":\($0),\"method\":\"double\",\"params\":{\"value\":\($0)}}"
      }
      let batch =
        "[\((calls + ["{\"jsonrpc\":\"2.0\",\"method\":\"double\",\"params\":{\"value\":1}}", "7"]).joined(separator: ","))]"
      let answer = try server.exchange(batch, answers: 1)[0].arrayValue ?? []
      #expect(answer.count == 21)
      #expect(answer.prefix(20).map { $0["id"]?.integerValue } == (0..<20).map { Int64($0) })
      #expect(answer.last?["error"]?["code"] == -32600)
    }
  }

  @Test func `a deadline ends the wait, and says so`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let error = #expect(throws: RPCError.self) {
        try server.client().call(TestServer.sleep, .init(milliseconds: 60_000), deadline: 50)
      }
      #expect(error?.code == .deadlineExceeded)
    }
  }

  @Test func `the answer to a half line comes when its end does`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let socket = try UnixSocket.connect(server.path)
      let line = Array("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"double\",\"params\":{\"value\":3}}\n".utf8)
      for byte in line { try UnixSocket.send([byte], to: socket.raw) }
      var buffer = [UInt8](repeating: 0, count: 1000)
      let count = try FileSystem.read(socket.raw, into: &buffer)
      #expect(String(decoding: buffer.prefix(count), as: UTF8.self).contains("\"value\":6"))
    }
  }

  @Test func `a line over the limit is refused once and not kept`() async throws {
    var limits = RPCLimits()
    limits.line = 64 << 10
    let server = try await TestServer(limits: limits)
    try await Blocking.run { () throws -> Void in
      let before = Self.residentBytes()
      let client = try server.client()
      let socket = client.descriptor
      let chunk = [UInt8](repeating: 0x20, count: 1 << 20)
      // A gigabyte on one line.
      for _ in 0..<1024 { try UnixSocket.send(chunk, to: socket) }
      try client.send(Array("x".utf8))
      let line = try #require(try client.receiveLine())
      #expect(try JSONCoding.decode(JSONValue.self, from: line)["error"]?["code"] == 1003)
      #expect(try client.call(TestServer.double, .init(value: 1)).value == 2)
      #expect(Self.residentBytes() < before + 64 << 20)
    }
  }

  private static func residentBytes() -> Int {
    let text = (try? FileSystem.readText("/proc/self/statm")) ?? ""
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
  }

  @Test func `a thousand idle connections do not stop a server`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let idle = try (0..<1000).map { _ in SharedDescriptor(try UnixSocket.connect(server.path)) }
      for descriptor in idle { try UnixSocket.send(Array("{\"half".utf8), to: descriptor.raw) }
      #expect(try server.client().call(TestServer.double, .init(value: 2)).value == 4)
    }
  }

  @Test func `a reader that never reads slows only itself`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let slow = try UnixSocket.connect(server.path)
      Descriptor.nonblocking(slow.raw)
      let line = Array("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.discover\"}\n".utf8)
      var sent = 0
      // Until the server stops reading.
      while sent < 10_000, send(slow.raw, line, line.count, Int32(MSG_NOSIGNAL)) == line.count { sent += 1 }
      #expect(try server.client().call(TestServer.double, .init(value: 2)).value == 4)
    }
  }

  @Test func `events come in order, then the end`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let client = try server.client()
      _ = try client.subscribe(TestServer.count, .init(value: 5000))
      var values: [Int64] = []
      while let delivery = try client.next(TestServer.Number.self) {
        if case .event(let number) = delivery { values.append(number.value) } else { break }
      }
      #expect(values == Array(0..<5000))
    }
  }

  @Test func `a slow subscriber is told how many events it missed`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let client = try server.client()
      _ = try client.subscribe(TestServer.flood, .init(value: 200_000))
      usleep(300_000)
      var seen: Int64 = 0
      var dropped: Int64 = 0
      while let delivery = try client.next(TestServer.Number.self) {
        switch delivery {
        case .event: seen += 1
        case .dropped(let count): dropped += count
        case .end: break
        }
        if seen + dropped >= 200_000 { break }
      }
      #expect(seen + dropped == 200_000)
      #expect(dropped > 0)
    }
  }

  @Test func `a stream carries frames after its answer`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let (_, socket) = try server.client().open(TestServer.echo, Empty())
      for size in [0, 1, 70_000, 1 << 20] {
        let frame = StreamFrame(.output, [UInt8](repeating: 7, count: size))
        let writer = Thread { try? socket.write(frame) }
        writer.start()
        #expect(try socket.read() == frame)
      }
    }
  }

  @Test func `hostile bytes neither stop nor crash a server`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      var generator = SystemRandomNumberGenerator()
      let alphabet = Array("{}[]\",:0123456789jsonrpcmethodidparamsdouble\\\n\u{0}".utf8)
      for _ in 0..<200 {
        let socket = try UnixSocket.connect(server.path)
        let bytes = (0..<400).map { _ in
          Int.random(in: 0..<20, using: &generator) == 0
            ? UInt8.random(in: 0...255, using: &generator) : alphabet.randomElement(using: &generator) ?? 0
        }
        try? UnixSocket.send(bytes, to: socket.raw)
      }
      #expect(try server.client().call(TestServer.double, .init(value: 2)).value == 4)
    }
  }

  @Test func `the document describes every method`() async throws {
    let server = try await TestServer()
    try await Blocking.run { () throws -> Void in
      let document = try server.client().call(RPCRouter.discover)
      #expect(document["openrpc"]?.stringValue?.hasPrefix("1.") == true)
      let names = document["methods"]?.arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
      #expect(Set(names).isSuperset(of: ["double", "secret", "echo", "count", "rpc.discover", "subscribe"]))
      let double = document["methods"]?.arrayValue?.first { $0["name"] == "double" }
      #expect(double?["params"]?.arrayValue?.first?["name"] == "value")
    }
  }
}

extension Descriptor {
  fileprivate static func nonblocking(_ raw: Int32) { try? Descriptor.setNonblocking(raw, true) }
}
