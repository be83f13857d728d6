// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Configuration
import Glibc
import JSONRPC
import LinuxKernel

/// The unit files of the administrator.
///
/// They decide what runs as root: a file that anybody else could have written is refused.
struct SubsystemUnits: Sendable {
  let directory: String

  /// What was read, and what is wrong with the rest.
  struct Reading: Sendable {
    var specs: [String: SubsystemSpec] = [:]
    var problems: [Problem] = []
  }

  struct Problem: Sendable, Equatable, CustomStringConvertible {
    var name: String
    var description: String
  }

  func read() throws -> Reading {
    var reading = Reading()
    let folder: Descriptor
    do {
      folder = try FileSystem.open(directory, flags: O_RDONLY | O_DIRECTORY)
    } catch {
      // Without the directory there are none.
      if error.errno == ENOENT { return reading }
      throw error
    }
    try Self.check(folder.raw, directory)
    for file in try FileSystem.names(in: folder.raw, object: directory).sorted() {
      guard file.hasSuffix(".yaml"), !file.hasPrefix(".") else { continue }
      let name = String(file.dropLast(5))
      let path = "\(directory)/\(file)"
      do {
        let opened = try FileSystem.open(file, in: folder.raw, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
        try Self.check(opened.raw, path)
        let text = try FileSystem.readAll(opened.raw, limit: 1 << 20, object: path)
        reading.specs[name] = try SubsystemParser.parse(
          String(decoding: text, as: UTF8.self), name: name, file: path)
      } catch {
        reading.problems.append(Problem(name: name, description: "\(error)"))
      }
    }
    return reading
  }

  static func check(_ descriptor: Int32, _ path: String) throws {
    let status = try FileSystem.status(of: descriptor)
    guard status.uid == 0 || status.uid == geteuid(), status.mode & 0o022 == 0 else {
      throw RPCError(
        .permissionDenied,
        "\(path) can be written by others than root, and decides what root runs; chown root:root and chmod go-w it")
    }
  }
}
