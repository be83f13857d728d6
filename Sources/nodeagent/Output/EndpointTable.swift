// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI

/// What endpoints have moved, a line each.
enum EndpointTable {
  static func header(withContainer: Bool) -> Table {
    withContainer
      ? Table("NAME", "ENDPOINT", "PORT", "AT NODE", "SCOPE", "RECEIVED", "PACKETS", "SENT", "PACKETS", "REFUSED")
      : Table("ENDPOINT", "PORT", "AT NODE", "SCOPE", "RECEIVED", "PACKETS", "SENT", "PACKETS", "REFUSED")
  }

  static func add(_ endpoint: NetworkMethods.Endpoint, of container: String?, to table: inout Table) {
    func ports(_ first: UInt16) -> String {
      endpoint.count == 1 ? "\(first)" : "\(first)-\(Int(first) + endpoint.count - 1)"
    }
    let cells: [Table.Cell] = [
      .init(endpoint.name), .init("\(ports(endpoint.port))/\(endpoint.proto.rawValue)"),
      .init(endpoint.hostPort.map(ports) ?? "-"), .init(endpoint.scope.rawValue),
      .init(Format.bytes(endpoint.receivedBytes)), .init(String(endpoint.receivedPackets)),
      .init(Format.bytes(endpoint.sentBytes)), .init(String(endpoint.sentPackets)),
      .init(String(endpoint.refusedPackets)),
    ]
    table.add((container.map { [.init($0)] } ?? []) + cells)
  }
}
