// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import NIOPosix
import TestServers
import Testing

@testable import Probing

@Suite struct HTTPTests {
  @Test(arguments: [
    ("http://a", "a", 80, "/", "a"), ("https://a:8443/x?y=1#z", "a", 8443, "/x?y=1", "a:8443"),
    ("http://[::1]:81/", "::1", 81, "/", "[::1]:81"), ("https://b/p#f", "b", 443, "/p", "b"),
    ("http://c?q", "c", 80, "/?q", "c"),
  ])
  func `a URL is taken apart`(url: String, host: String, port: Int, path: String, authority: String) throws {
    let target = try HTTPTarget(url)
    #expect(target.host == host)
    #expect(target.port == port)
    #expect(target.path == path)
    #expect(target.authority == authority)
  }

  @Test(arguments: [
    "ftp://a", "http://", "http://a:0", "http://a:x/", "http://u:p@a/", "http://a/ b", "http://a/\r\nX: y",
    "http://[::1",
    "http://[::1]x",
  ])
  func `what is no URL is refused`(url: String) { #expect(throws: ProbeFailure.self) { try HTTPTarget(url) } }

  @Test(arguments: [
    ("/b", "http://a:1/b"), ("c", "http://a:1/x/c"), ("//d/e", "http://d/e"), ("https://f", "https://f/"),
    ("?q", "http://a:1/x/?q"),
  ])
  func `a redirection is followed`(location: String, url: String) throws {
    #expect(try HTTPTarget("http://a:1/x/y").following(location) == HTTPTarget(url))
  }

  private static func look(_ answer: String, _ change: (inout HTTPProbe) -> Void = { _ in }) async throws -> ProbeResult
  {
    let server = try RawServer { _ in Array(answer.utf8) }
    var probe = HTTPProbe(url: "http://127.0.0.1:\(server.port)/path")
    change(&probe)
    return await look(.http(probe))
  }

  private static func look(_ probe: HealthCheck.Probe, timeout: Int64 = 20_000) async -> ProbeResult {
    var check = HealthCheck(name: "c", probe: probe)
    check.timeout = timeout
    return await NetworkProbe(group: MultiThreadedEventLoopGroup.singleton)
      .look(ProbeAssignment(id: "o/c", generation: 1, check: check, interval: 1000))
  }

  static let good = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-State: all good\r\n\r\nhello"

  @Test func `a good answer is good`() async throws {
    let result = try await Self.look(Self.good) {
      $0.body = "ell"
      $0.answer = ["x-state": "good", "Content-Length": ""]
    }
    #expect(result.ok, "\(result)")
    #expect(result.output == "status 200")
  }

  @Test(arguments: [
    ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "status 503, not 200-299"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye", "the body does not contain \"hello\""),
    ("HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "status 301"),
    ("", "closed before the answer was whole"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello", "closed before the answer was whole"),
    ("SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"), ("HTTP/1.1 99999999 \r\n\r\n", "not HTTP"),
    ("\u{0}\u{1}\u{2}\r\n\r\n", "not HTTP"),
  ])
  func `a bad answer is bad, and says why`(answer: String, words: String) async throws {
    let result = try await Self.look(answer) { $0.body = "hello" }
    #expect(!result.ok)
    #expect(result.output.lowercased().contains(words.lowercased()), "\(result)")
    #expect(result.output.utf8.count <= 2000)
  }

  @Test func `redirections are followed so far`() async throws {
    let server = try RawServer { request in
      request.hasPrefix("GET /end ")
        ? Array(Self.good.utf8)
        : Array(
          "HTTP/1.1 302 Found\r\nLocation: \(request.hasPrefix("GET /loop") ? "/loop" : "/end")\r\nContent-Length: 0\r\n\r\n"
            .utf8)
    }
    var probe = HTTPProbe(url: "http://127.0.0.1:\(server.port)/begin")
    probe.redirects = 1
    let followed = await Self.look(.http(probe))
    #expect(followed.ok, "\(followed)")
    probe.url = "http://127.0.0.1:\(server.port)/loop"
    probe.redirects = 5
    #expect(await Self.look(.http(probe)).output == "status 302, not 200-299")
  }

  @Test func `the request is what was asked for`() async throws {
    let server = try RawServer { request in
      let wanted =
        request.hasPrefix("POST /p?q=1 HTTP/1.1\r\n") && request.contains("X-Key: v\r\n")
        && request.contains("Host: example.org\r\n")
      return Array((wanted ? Self.good : "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n").utf8)
    }
    var probe = HTTPProbe(url: "http://127.0.0.1:\(server.port)/p?q=1")
    probe.method = "POST"
    probe.headers = ["X-Key": "v", "Host": "example.org"]
    #expect(await Self.look(.http(probe)).ok)
  }

  @Test func `one that does not answer is given up in time`() async throws {
    let server = try RawServer { _ in nil }
    let result = await Self.look(.http(HTTPProbe(url: "http://127.0.0.1:\(server.port)/")), timeout: 200)
    #expect(!result.ok)
    #expect(result.output == "no whole answer in time")
  }

  @Test func `an endless answer is cut`() async throws {
    let body = String(repeating: "x", count: 1 << 20)
    let result = try await Self.look("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n\(body)")
    #expect(result.ok)
    let headers = (0..<20_000).map { "X-\($0): \(String(repeating: "y", count: 50))\r\n" }.joined()
    let flood = try await Self.look("HTTP/1.1 200 OK\r\n\(headers)\r\n")
    #expect(!flood.ok)
  }

  @Test func `connections are seen`() async throws {
    let server = try RawServer { _ in [] }
    #expect(await Self.look(.tcp("127.0.0.1:\(server.port)")).ok)
    let port = server.port
    server.close()
    let refused = await Self.look(.tcp("127.0.0.1:\(port)"))
    #expect(!refused.ok)
    #expect(refused.output.contains("ECONNREFUSED"), "\(refused)")
    let missing = await Self.look(.unix("/nonexistent.sock"))
    #expect(missing.output.contains("ENOENT"), "\(missing)")
  }

  @Test func `one that closes as soon as it has accepted has accepted`() async throws {
    let server = try RawServer(reads: false) { _ in [] }
    for _ in 0..<200 {
      let result = await Self.look(.tcp("127.0.0.1:\(server.port)"))
      #expect(result.ok, "\(result)")
    }
  }

  @Test func `a node that reaches too few far addresses is cut off`() async throws {
    let server = try RawServer { _ in [] }
    let addresses = ["127.0.0.1:\(server.port)", "127.0.0.1:1"]
    #expect(await Self.look(.reach(addresses: addresses, minimum: 1)).ok)
    let result = await Self.look(.reach(addresses: addresses, minimum: 2))
    #expect(!result.ok)
    #expect(result.output.contains("1 of 2 far addresses are reached, 2 have to be; 127.0.0.1:1:"), "\(result)")
  }

  @Test func `any bytes for an answer end the look in words`() async throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      var bytes = Array(Self.good.utf8)
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let answer = bytes
      let server = try RawServer { _ in answer }
      let result = await Self.look(.http(HTTPProbe(url: "http://127.0.0.1:\(server.port)/")), timeout: 1000)
      #expect(!result.output.isEmpty)
    }
  }
}
