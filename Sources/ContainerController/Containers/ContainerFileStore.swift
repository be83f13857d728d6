// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import JSONRPC
import LinuxKernel

/// The records of the containers on disk.
struct ContainerFileStore: Sendable {
  let directory: String

  init(instance: Instance) { directory = "\(instance.controllerState)/containers" }

  func prepare() throws(SyscallError) { try FileSystem.makeDirectory(directory, mode: 0o700) }

  private func path(_ name: String) -> String { "\(directory)/\(name).json" }

  func write(_ record: ContainerRecord, durable: Bool) throws {
    try FileSystem.replace(
      path(record.spec.name), with: try JSONCoding.encode(record), mode: 0o600, durable: durable)
  }

  func remove(_ name: String) throws(SyscallError) { try FileSystem.remove(path(name)) }

  func load() throws -> [ContainerRecord] {
    try FileSystem.names(in: directory).filter { $0.hasSuffix(".json") }.map {
      try JSONCoding.decode(ContainerRecord.self, from: FileSystem.read("\(directory)/\($0)"))
    }
  }
}
