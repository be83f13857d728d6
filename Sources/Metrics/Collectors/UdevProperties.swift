// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// What udev has found out about a disk (its database under `/run/udev/data`); empty where no udev runs.
struct UdevProperties: Sendable, Hashable {
  struct FileSystem: Sendable, Hashable {
    var type: String
    var usage: String
    var uuid: String
    var version: String
  }

  var path = ""
  var model = ""
  var serial = ""
  var wwn = ""
  var revision = ""
  var fileSystem: FileSystem?

  init(text: String) {
    var values: [Substring: String] = [:]
    for line in text.split(separator: "\n") where line.hasPrefix("E:") {
      let parts = line.dropFirst(2).split(separator: "=", maxSplits: 1)
      if parts.count == 2 { values[parts[0]] = String(parts[1]) }
    }
    path = values["ID_PATH"] ?? ""
    model = values["ID_MODEL"] ?? ""
    serial = values["ID_SERIAL_SHORT"] ?? ""
    wwn = values["ID_WWN"] ?? ""
    revision = values["ID_REVISION"] ?? ""
    if let type = values["ID_FS_TYPE"] {
      fileSystem = FileSystem(
        type: type, usage: values["ID_FS_USAGE"] ?? "", uuid: values["ID_FS_UUID"] ?? "",
        version: values["ID_FS_VERSION"] ?? "")
    }
  }

  /// - Parameter block: `major:minor`.
  init(block: String) {
    self.init(text: (try? LinuxKernel.FileSystem.readText("/run/udev/data/b\(block)", limit: 1 << 20)) ?? "")
  }
}
