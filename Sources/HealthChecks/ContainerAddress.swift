// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LinuxKernel
import Probing

/// Where a check inside a container connects to: an address without a name, which PID 1 of the container can use as it is.
public struct ContainerAddress: Sendable, Hashable {
  /// `tcp://ADDRESS:PORT` or `unix:///PATH`.
  public let text: String

  /// `ADDRESS:PORT`; `nil` when the address is a name other than `localhost`.
  public init?(tcp address: String) {
    let isLocal = address.hasPrefix("localhost:")
    text = "tcp://" + (isLocal ? "127.0.0.1:" + address.dropFirst("localhost:".count) : address)
    guard ListenAddress(text) != nil else { return nil }
  }

  public init?(unix path: String) {
    text = "unix://" + path
    guard ListenAddress(text) != nil else { return nil }
  }

  /// The server of a request's URL.
  public init?(_ request: HTTPProbe) {
    guard let (host, port) = HTTPRequester.server(of: request) else { return nil }
    self.init(tcp: host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
  }

  /// Of what is reached by a socket; `nil` for the rest.
  public init?(_ probe: HealthCheck.Probe) {
    switch probe {
    case .tcp(let address): self.init(tcp: address)
    case .unix(let path): self.init(unix: path)
    case .http(let request): self.init(request)
    case .process, .command, .file, .resources, .reach: return nil
    }
  }
}
