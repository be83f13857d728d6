// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Makes one HTTP/1.1 request on a connection of its own and judges the answer.
///
/// Not an HTTP library's client: a check is to see a new connection each time, with nothing pooled, retried or cached.
public struct HTTPRequester: Sendable {
  let group: any EventLoopGroup

  public init(group: any EventLoopGroup) { self.group = group }

  /// Sends a body, and returns the answer whatever its status is.
  ///
  /// - Parameters:
  ///   - timeout: milliseconds for all of it.
  ///   - context: of its TLS, in place of what the request says of certificates.
  public func send(
    _ request: HTTPProbe, body: [UInt8], timeout: Int64, context: NIOSSLContext? = nil
  ) async throws -> HTTPAnswer {
    try await self.request(
      request, try HTTPTarget(request.url), .now() + .milliseconds(timeout), body: body, context: context)
  }

  /// The host, without brackets, and port of a request's URL; `nil` when that is none.
  public static func server(of request: HTTPProbe) -> (host: String, port: Int)? {
    guard let target = try? HTTPTarget(request.url) else { return nil }
    return (target.host, target.port)
  }

  /// The same over a connection that somebody else has made.
  func look(_ probe: HTTPProbe, over socket: SharedDescriptor, _ timeout: TimeAmount) async throws -> String {
    let answer = try await request(probe, try HTTPTarget(probe.url), .now() + timeout) { bootstrap in
      let copy = try socket.duplicate()
      return bootstrap.withConnectedSocket(copy.take())
    }
    return try Self.judge(answer, probe)
  }

  /// Returns words for a good answer.
  func look(_ probe: HTTPProbe, _ timeout: TimeAmount) async throws -> String {
    let deadline = NIODeadline.now() + timeout
    var target = try HTTPTarget(probe.url)
    var followed = 0
    while true {
      let answer = try await request(probe, target, deadline)
      if (301...308).contains(answer.status), answer.status != 304, followed < probe.redirects,
        let location = answer.fields.first(where: { $0.name == "location" })?.value
      {
        target = try target.following(location)
        followed += 1
        continue
      }
      return try Self.judge(answer, probe)
    }
  }

  static func judge(_ answer: HTTPAnswer, _ probe: HTTPProbe) throws -> String {
    guard probe.status.contains(where: { accepts($0, answer.status) }) else {
      throw ProbeFailure("status \(answer.status), not \(probe.status.joined(separator: " or "))")
    }
    for (name, text) in probe.answer.sorted(by: { $0.key < $1.key }) {
      let values = answer.fields.filter { $0.name == name.lowercased() }.map(\.value)
      guard values.contains(where: { text.isEmpty || $0.contains(text) }) else {
        throw ProbeFailure(
          "status \(answer.status), but the header \(name) is \(values.isEmpty ? "missing" : "\"\(values.joined(separator: ", ").prefix(100))\"")"
        )
      }
    }
    if let body = probe.body, !String(decoding: answer.body, as: UTF8.self).contains(body) {
      throw ProbeFailure("status \(answer.status), but the body does not contain \"\(body)\"")
    }
    return "status \(answer.status)"
  }

  /// `200`, or `200-299`.
  static func accepts(_ range: String, _ status: Int) -> Bool {
    let ends = range.split(separator: "-").compactMap { Int($0) }
    return ends.count == 2 ? ends[0] <= status && status <= ends[1] : ends.first == status
  }

  /// - Parameter connect: makes the connection, where that is not by the URL.
  private func request(
    _ probe: HTTPProbe, _ target: HTTPTarget, _ deadline: NIODeadline, body: [UInt8] = [],
    context given: NIOSSLContext? = nil,
    by connect: ((ClientBootstrap) throws -> EventLoopFuture<any Channel>)? = nil
  ) async throws -> HTTPAnswer {
    let context = target.isTLS ? try given ?? Self.context(probe) : nil
    let promise = group.next().makePromise(of: HTTPAnswer.self)
    var head = HTTPRequestHead(version: .http1_1, method: .init(rawValue: probe.method), uri: target.path)
    head.headers.add(name: "Host", value: target.authority)
    head.headers.add(name: "User-Agent", value: "nodeagent/\(AgentVersion.current)")
    head.headers.add(name: "Accept", value: "*/*")
    head.headers.add(name: "Connection", value: "close")
    if !body.isEmpty { head.headers.add(name: "Content-Length", value: "\(body.count)") }
    for (name, value) in probe.headers { head.headers.replaceOrAdd(name: name, value: value) }
    let request = head
    let bootstrap = ClientBootstrap(group: promise.futureResult.eventLoop).connectTimeout(deadline - .now())
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          if let context {
            // A server is asked for by name only where it has one (RFC 6066 §3).
            let handler = try NIOSSLClientHandler(
              context: context, serverHostname: target.hostIsAddress ? nil : target.host)
            try pipeline.addHandler(handler)
          }
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(HTTPAnswerReader(request: request, body: body, promise: promise))
        }
      }
    let channel: any Channel
    do {
      channel = try await (try connect?(bootstrap) ?? bootstrap.connect(host: target.host, port: target.port)).get()
    } catch {
      promise.fail(error)
      throw error
    }
    let timer = channel.eventLoop.scheduleTask(deadline: deadline) {
      promise.fail(ProbeFailure("no whole answer in time"))
      channel.close(promise: nil)
    }
    defer {
      timer.cancel()
      channel.close(promise: nil)
    }
    return try await promise.futureResult.get()
  }

  private static func context(_ probe: HTTPProbe) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    do {
      if let file = probe.authority { configuration.trustRoots = .file(file) }
      if probe.insecure { configuration.certificateVerification = .none }
      if let file = probe.certificate {
        configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) }
        configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: probe.key ?? file, format: .pem))
      }
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw ProbeFailure("the certificates of this check cannot be used: \(error)")
    }
  }
}
