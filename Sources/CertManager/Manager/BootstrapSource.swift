// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import JSONRPC
import LinuxKernel
import NIOPosix
import Probing

/// Where a new node's first token comes from.
public enum BootstrapSource: Sendable, Hashable {
  /// A file that the manager can read.
  case file(String)
  /// `nodeagent.token=…` among the kernel's parameters (bootparam(7)).
  case kernel
  /// The user data of a machine in a cloud, as EC2 serves it (instance metadata service, version 2); others do the same.
  case userData(endpoint: String)
  /// TXT records of a name, by the host's resolvers or by one of an IPv4 address.
  case dns(name: String, server: HostAndPort? = nil)

  public static let usualEndpoint = "http://169.254.169.254"

  /// `file:PATH`, `kernel`, `user-data`, `user-data:http://HOST:PORT`, `dns:NAME`, or `dns:NAME@ADDRESS[:PORT]`.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    switch (parts.first, parts.count) {
    case ("file", 2) where parts[1].hasPrefix("/"): self = .file(parts[1])
    case ("kernel", 1): self = .kernel
    case ("user-data", 1): self = .userData(endpoint: Self.usualEndpoint)
    case ("user-data", 2) where parts[1].hasPrefix("http://"): self = .userData(endpoint: parts[1])
    case ("dns", 2):
      let words = parts[1].split(separator: "@", omittingEmptySubsequences: false).map(String.init)
      guard (1...2).contains(words.count), !words[0].isEmpty else { return nil }
      let server = words.count == 2 ? HostAndPort(words[1], usual: 53) : nil
      guard words.count == 1 || IPNetwork.address(server?.host ?? "")?.count == 4 else { return nil }
      self = .dns(name: words[0], server: server)
    default: return nil
    }
  }

  /// Everything that stands there.
  func read() async throws -> BootstrapData {
    switch self {
    case .file(let path):
      let text: String
      do {
        text = try FileSystem.readText(path, limit: 64 << 10)
      } catch {
        throw CertificateProblem.unusable("there is no token to begin with: \(error)")
      }
      return try BootstrapData(text)
    case .kernel: return try BootstrapData(try FileSystem.readText("/proc/cmdline", limit: 64 << 10))
    case .userData(let endpoint): return try BootstrapData(try await Self.userData(endpoint))
    case .dns(let name, let server):
      return try BootstrapData(try await Blocking.run { try DNSText.look(name, at: server) })
    }
  }

  private static func userData(_ endpoint: String) async throws -> String {
    let requester = HTTPRequester(group: MultiThreadedEventLoopGroup.singleton)
    var asking = HTTPProbe(url: "\(endpoint)/latest/api/token")
    asking.method = "PUT"
    asking.headers = ["X-aws-ec2-metadata-token-ttl-seconds": "60"]
    let token = try await requester.send(asking, body: [], timeout: 5000)
    var reading = HTTPProbe(url: "\(endpoint)/latest/user-data")
    // Those that are like EC2 but for the token do without it.
    if token.status == 200 {
      reading.headers = ["X-aws-ec2-metadata-token": String(decoding: token.body.prefix(1024), as: UTF8.self)]
    }
    let answer = try await requester.send(reading, body: [], timeout: 5000)
    guard answer.status == 200 else {
      throw CertificateProblem.unusable("\(endpoint) has no user data: status \(answer.status)")
    }
    return String(decoding: answer.body, as: UTF8.self)
  }
}

/// What a new node is told before it knows anything: `nodeagent.token=na1.…`, and where they are not in `certificates.yaml` also
/// `nodeagent.authority=https://…` and `nodeagent.root=sha256:…`, as words of any text. A word that is a token is one, too.
struct BootstrapData: Sendable {
  var token: BootstrapToken?
  var authority: String?
  var root: String?

  /// - Throws: where there is a word that is not what its name says.
  init(_ text: String) throws {
    for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "\"" || $0 == "'" || $0 == "\0" }) {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      if parts.count == 1, let found = BootstrapToken(parts[0]) { token = found }
      guard parts.count == 2 else { continue }
      switch parts[0] {
      case "nodeagent.token":
        guard let found = BootstrapToken(parts[1]) else {
          throw CertificateProblem.unusable("nodeagent.token is not a token of nodeagent ca token")
        }
        token = found
      case "nodeagent.authority": authority = parts[1]
      case "nodeagent.root": root = parts[1]
      default: break
      }
    }
  }
}
