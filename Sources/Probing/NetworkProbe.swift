// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import NIOCore
import NIOHTTP1
import NIOPosix

/// Looks at what is reached by a socket: needs no privilege, and believes nothing that it is told.
public struct NetworkProbe: Sendable {
  private let group: any EventLoopGroup
  private let http: HTTPRequester

  public init(group: any EventLoopGroup) {
    self.group = group
    http = HTTPRequester(group: group)
  }

  public func look(_ assignment: ProbeAssignment) async -> ProbeResult {
    let start = Clock.monotonicNanoseconds()
    let check = assignment.check
    var ok = true
    var output: String
    do {
      output = try await look(check.probe, .milliseconds(max(1, check.timeout)))
    } catch {
      ok = false
      output = Self.words(error, timeout: check.timeout)
    }
    return ProbeResult(
      id: assignment.id, generation: assignment.generation, ok: ok, output: String(output.prefix(500)),
      milliseconds: Double(Clock.monotonicNanoseconds() - start) / 1e6)
  }

  /// Makes an HTTP check over a connection that was made where the server is, in a network namespace of its own.
  public func look(_ check: HealthCheck, over socket: SharedDescriptor) async -> (ok: Bool, output: String) {
    guard case .http(let request) = check.probe else {
      return (false, "only HTTP is spoken over somebody else's connection")
    }
    // Whoever made the connection must not have it authenticated by keys that only this process may read.
    guard request.authority == nil, request.certificate == nil, request.key == nil else {
      return (false, "no certificates are used over somebody else's connection")
    }
    do {
      return (true, try await http.look(request, over: socket, .milliseconds(max(1, check.timeout))))
    } catch {
      return (false, String(Self.words(error, timeout: check.timeout).prefix(500)))
    }
  }

  private func look(_ probe: HealthCheck.Probe, _ timeout: TimeAmount) async throws -> String {
    switch probe {
    case .tcp(let address):
      try await connect(address, timeout)
      return "\(address) accepts connections"
    case .unix(let path):
      let channel = try await bootstrap(timeout).connect(unixDomainSocketPath: path).get()
      // The peer may have closed it already: it has accepted, and that is what was asked.
      channel.close(promise: nil)
      return "\(path) accepts connections"
    case .http(let request): return try await http.look(request, timeout)
    case .reach(let addresses, let minimum): return try await reach(addresses, minimum, timeout)
    case .process, .command, .file, .resources: throw ProbeFailure("this kind of check is not the monitor's")
    }
  }

  private func bootstrap(_ timeout: TimeAmount) -> ClientBootstrap {
    ClientBootstrap(group: group).connectTimeout(timeout)
  }

  private func connect(_ address: String, _ timeout: TimeAmount) async throws {
    let (host, port) = try Self.split(address)
    let channel = try await bootstrap(timeout).connect(host: host, port: port).get()
    channel.close(promise: nil)
  }

  /// All at the same time: it takes no longer than the slowest.
  private func reach(_ addresses: [String], _ minimum: Int, _ timeout: TimeAmount) async throws -> String {
    let failed = await withTaskGroup(of: String?.self) { group in
      for address in addresses {
        group.addTask {
          do {
            try await self.connect(address, timeout)
            return nil
          } catch {
            return "\(address): \(Self.words(error, timeout: timeout.nanoseconds / 1_000_000))"
          }
        }
      }
      return await group.reduce(into: [String]()) { if let text = $1 { $0.append(text) } }.sorted()
    }
    let reached = addresses.count - failed.count
    guard reached >= minimum else {
      throw ProbeFailure(
        "\(reached) of \(addresses.count) far addresses are reached, \(minimum) have to be; \(failed.joined(separator: "; "))"
      )
    }
    return "\(reached) of \(addresses.count) far addresses are reached"
  }

  /// `host:port`; an IPv6 address stands in brackets.
  static func split(_ address: String) throws -> (host: String, port: Int) {
    guard let colon = address.lastIndex(of: ":"), let port = UInt16(address[address.index(after: colon)...]) else {
      throw ProbeFailure("\(address) is not ADDRESS:PORT")
    }
    var host = String(address[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    return (host, Int(port))
  }

  /// What a person is told of a failure; `timeout` in milliseconds.
  public static func words(_ error: any Error, timeout: Int64) -> String {
    switch error {
    case let failure as ProbeFailure: failure.description
    case let error as IOError: SyscallError.words(for: error.errnoCode)
    case is ChannelError:
      if case ChannelError.connectTimeout = error { "no connection within \(timeout) ms" } else { "\(error)" }
    case let error as NIOConnectionError:
      error.connectionErrors.first.map { words($0.error, timeout: timeout) }
        ?? "the name \(error.host) cannot be resolved"
    case HTTPParserError.invalidEOFState: "the connection was closed before the answer was whole"
    case let error as HTTPParserError: "the answer is not HTTP: \(error)"
    default: "\(error)"
    }
  }
}
