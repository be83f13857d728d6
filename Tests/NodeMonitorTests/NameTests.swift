// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import NodeMonitor

/// A query as clients send it.
private func query(_ name: String, _ type: UInt16 = 1, id: UInt16 = 0x1234) -> [UInt8] {
  DNSAnswer.word(id) + [1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + DNSAnswer.name(name) + DNSAnswer.word(type) + [0, 1]
}

@Suite struct DNSQueryTests {
  @Test func `a question is read, whatever its letters`() throws {
    let read = try DNSQuery(query("Web.Containers.INTERNAL", 33))
    #expect(read.name == "web.containers.internal" && read.type == 33 && read.recordClass == 1)
    #expect(read.id == 0x1234 && read.recursionDesired)
    // What comes behind the question (EDNS, RFC 6891) does not matter.
    #expect(try DNSQuery(query("a") + [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0]).name == "a")
  }

  @Test(
    arguments: [
      ([], nil), (Array(repeating: 0, count: 11), nil), ([0, 1, 0x80, 0, 0, 1] + Array(repeating: 0, count: 20), nil),
      ([0, 1, 0x28, 0, 0, 1] + Array(repeating: 0, count: 20), 4),
      ([0, 1, 0, 0, 0, 2] + Array(repeating: 0, count: 20), 1),
      ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1], 1),
      ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 65], 1),
      (
        [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Array(repeating: [1, 65], count: 200).flatMap { $0 } + [0, 0, 1, 0, 1], 1
      ),
      ([0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 65, 0, 0, 1], 1),
    ] as [([UInt8], UInt8?)])
  func `what is no query is refused or passed over`(bytes: [UInt8], code: UInt8?) {
    do {
      _ = try DNSQuery(bytes)
      Issue.record("it was taken")
    } catch {
      #expect(error == code.map { .refused(code: $0) } ?? .silent)
    }
  }

  @Test func `no bytes bring the server down`() {
    let server = NameServer(group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
    server.assign(
      .init(
        gateway: "10.128.0.1", networks: ["10.128.0.0/16", "fd00:1::/64"],
        containers: [.init(name: "web", address: "10.128.0.2", address6: "fd00:1::2", endpoints: [])]))
    var generator = SystemRandomNumberGenerator()
    for round in 0..<50_000 {
      var bytes = query(round % 2 == 0 ? "web.containers.internal" : "2.0.128.10.in-addr.arpa", 255)
      for _ in 0...(round % 8) { bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255) }
      bytes.removeLast(Int.random(in: 0..<bytes.count))
      let answer = server.answer(bytes)
      #expect(answer.map { $0.count < 512 } ?? true)
    }
  }
}

@Suite struct NameTableTests {
  private static let table = NameTable(
    .init(
      gateway: "10.128.0.1", networks: ["10.128.0.0/16", "fd00:1::/64"],
      containers: [
        .init(
          name: "Web.1", address: "10.128.0.2", address6: "fd00:1::2",
          endpoints: [.init(name: "http", proto: .tcp, port: 8080), .init(name: "dns", proto: .udp, port: 53)]),
        .init(name: "db", address: "10.128.1.3", endpoints: []),
      ]))

  private static func look(_ name: String, _ type: UInt16) throws -> NameTable.Outcome {
    table.look(try DNSQuery(query(name, type)))
  }

  @Test(
    arguments: [
      ("db", 1, [10, 128, 1, 3]), ("db.containers.internal", 1, [10, 128, 1, 3]),
      ("web.1.containers.internal", 1, [10, 128, 0, 2]),
      ("web.1", 28, [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]), ("db.containers.internal", 28, []),
      ("containers.internal", 1, []), ("_tcp.web.1.containers.internal", 1, []),
      (
        "_http._tcp.web.1.containers.internal", 33,
        [0, 0, 0, 0, 0x1f, 0x90] + DNSAnswer.name("web.1.containers.internal")
      ),
      ("3.1.128.10.in-addr.arpa", 12, DNSAnswer.name("db.containers.internal")),
      (
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", 12,
        DNSAnswer.name("web.1.containers.internal")
      ),
    ] as [(String, UInt16, [UInt8])])
  func `containers and endpoints have names`(name: String, type: UInt16, data: [UInt8]) throws {
    guard case .records(let records) = try Self.look(name, type) else {
      Issue.record("no records")
      return
    }
    #expect(records.map(\.data) == (data.isEmpty ? [] : [data]))
  }

  @Test(
    arguments: [
      ("none.containers.internal", 1), ("_x._tcp.db.containers.internal", 33), ("9.9.128.10.in-addr.arpa", 12),
      ("128.10.in-addr.arpa", 12), ("x.9.128.10.in-addr.arpa", 12),
      ("3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", 12),
      ("0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", 12),
    ] as [(String, UInt16)])
  func `what is ours and not there is said to be so`(name: String, type: UInt16) throws {
    #expect(try Self.look(name, type) == .noSuchName)
  }

  @Test(
    arguments: [
      ("example.org", 1), ("none", 1), ("1.1.129.10.in-addr.arpa", 12), ("10.in-addr.arpa", 12),
      ("2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", 12), ("arpa", 12), ("ip6.arpa", 12), ("x.ip6.arpa", 12),
      ("xcontainers.internal", 1), ("", 2),
      ("_http._tcp.web.1", 33),
    ] as [(String, UInt16)])
  func `the rest is others'`(name: String, type: UInt16) throws { #expect(try Self.look(name, type) == .notOurs) }

  @Test func `an answer has the question, and its own name by pointer`() throws {
    let asked = query("db", 1)
    let answer = DNSAnswer.bytes(try DNSQuery(asked), [.init(type: 1, data: [10, 128, 1, 3])])
    #expect(Array(answer[0..<12]) == [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
    #expect(Array(answer[12..<(asked.count)]) == Array(asked[12...]))
    #expect(Array(answer[asked.count...]) == [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 128, 1, 3])
  }
}

@Suite struct NameForwarderTests {
  /// The tests beside this one leave it little of the processors.
  private static let patience: TimeAmount = .minutes(2)

  /// A resolver that answers what `answers` makes of each query, all of it.
  private static func resolver(_ answers: @escaping @Sendable ([UInt8]) -> [[UInt8]]) throws -> SocketAddress {
    let address = try #require(ListenAddress("udp://127.0.0.1:0"))
    let socket = SharedDescriptor(try address.listen())
    var bound = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &bound) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket.raw, $0, &length) }
    }
    let port = UInt16(bigEndian: bound.sin_port)
    try NamedThread.start("resolver") {
      var buffer = [UInt8](repeating: 0, count: 2048)
      for _ in 0..<4 {
        var peer = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &peer) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(socket.raw, &buffer, 2048, 0, $0, &size) }
        }
        guard count > 0 else { return }
        for answer in answers(Array(buffer.prefix(count))) {
          withUnsafePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
              _ = sendto(socket.raw, answer, answer.count, 0, $0, size)
            }
          }
        }
      }
    }
    return try SocketAddress(ipAddress: "127.0.0.1", port: Int(port))
  }

  /// A name server on a connection, as the bridge's is; its own forwarder leads nowhere.
  private static func streamServer() async throws -> (NameServer, SocketAddress) {
    let group = MultiThreadedEventLoopGroup.singleton
    let server = NameServer(
      group: group, logger: Logger(label: "test"), forwarder: NameForwarder(group: group) { [] })
    server.assign(
      .init(
        gateway: "10.128.0.1", networks: ["10.128.0.0/16"],
        containers: [.init(name: "web", address: "10.128.0.2", endpoints: [])]))
    let socket = try #require(ListenAddress("tcp://127.0.0.1:0")).listen()
    var bound = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &bound) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(socket.raw, $0, &length) }
    }
    try await NameStreams(server: server, group: group, patience: patience).start(socket)
    return (server, try SocketAddress(ipAddress: "127.0.0.1", port: Int(UInt16(bigEndian: bound.sin_port))))
  }

  @Test func `long answers go over connections, at both ends`() async throws {
    let (_, address) = try await Self.streamServer()
    let forwarder = NameForwarder(group: MultiThreadedEventLoopGroup.singleton, patience: Self.patience) {
      [address] in [address]
    }
    for id in [1, 2, 3] as [UInt16] {
      let answer = try #require(await forwarder.ask(query("web", id: id), overStream: true))
      #expect(Array(answer.prefix(2)) == DNSAnswer.word(id) && answer.suffix(4) == [10, 128, 0, 2])
    }
    // Nobody else is to be asked: that is said, too.
    #expect(await forwarder.ask(query("example.org"), overStream: true)?[3] == 0x82)
  }

  @Test func `clients that send nonsense or nothing leave the others alone`() async throws {
    let (_, address) = try await Self.streamServer()
    let group = MultiThreadedEventLoopGroup.singleton
    for bytes in [[], [0], [0xff, 0xff, 1, 2, 3], [0, 0], [0, 1, 0], [0, 12] + [UInt8](repeating: 0xff, count: 12)] {
      for _ in 0..<30 {
        let channel = try await ClientBootstrap(group: group).connect(to: address).get()
        if !bytes.isEmpty { try await channel.writeAndFlush(ByteBuffer(bytes: bytes as [UInt8])).get() }
        channel.close(promise: nil)
      }
    }
    let forwarder = NameForwarder(group: group, patience: Self.patience) { [address] in [address] }
    #expect(await forwarder.ask(query("web"), overStream: true)?.suffix(4) == [10, 128, 0, 2])
  }

  private static func answer(_ query: [UInt8], _ data: [UInt8]) -> [UInt8] {
    (try? DNSQuery(query)).map { DNSAnswer.bytes($0, [.init(type: 1, data: data)]) } ?? []
  }

  @Test func `the first answer that is one to the query counts, with the client's id`() async throws {
    let server = try Self.resolver { query in
      var forged = Self.answer(query, [6, 6, 6, 6])
      forged[0] ^= 1
      var other = query
      other[13] ^= 1
      return [forged, [1, 2, 3], query, Self.answer(other, [7, 7, 7, 7]), Self.answer(query, [192, 0, 2, 1])]
    }
    let forwarder = NameForwarder(group: MultiThreadedEventLoopGroup.singleton, patience: Self.patience) {
      [server] in [server]
    }
    let asked = query("example.org", id: 7)
    let answer = try #require(await forwarder.ask(asked))
    #expect(answer.prefix(2) == [0, 7] && answer.suffix(4) == [192, 0, 2, 1])
  }

  @Test func `the next server is asked where one is silent, and nobody's answer is none`() async throws {
    let silent = try Self.resolver { _ in [] }
    let talking = try Self.resolver { [Self.answer($0, [192, 0, 2, 2])] }
    let forwarder = NameForwarder(group: MultiThreadedEventLoopGroup.singleton) { [silent, talking] }
    #expect(await forwarder.ask(query("example.org"))?.suffix(4) == [192, 0, 2, 2])
    let nobody = NameForwarder(group: MultiThreadedEventLoopGroup.singleton) { [] }
    #expect(await nobody.ask(query("example.org")) == nil)
  }
}
