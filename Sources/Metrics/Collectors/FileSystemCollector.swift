// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// Room on the mounted file-systems (proc(5), `mounts`; statvfs(3)).
struct FileSystemCollector: Collector {
  /// One line of the mount table.
  struct Mount: Sendable, Hashable {
    let device: String
    let path: String
    let kind: String
    let isReadOnly: Bool
    /// Served by something that may not answer: another host, or a program.
    var isFar: Bool {
      kind == "fuse" || kind.hasPrefix("fuse.") || kind == "9p" || kind == "virtiofs"
        || ["nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "lustre", "gfs2", "ocfs2", "glusterfs"].contains(kind)
    }
  }

  let name = "filesystem"
  private let file: KernelFile
  private let families: [FamilyID]
  private let readOnly: FamilyID
  private let failed: FamilyID
  private var before: [UInt8] = []
  private var mounts: [Mount] = []
  private let patient = PatientStat()

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/self/mounts")
    let labels = ["device", "mountpoint", "fstype"]
    families = [
      ("size_bytes", "Filesystem size in bytes."), ("free_bytes", "Filesystem free space in bytes."),
      ("avail_bytes", "Filesystem space available to non-root users in bytes."),
      ("files", "Filesystem total file nodes."), ("files_free", "Filesystem total free file nodes."),
    ].map { table.family("node_filesystem_\($0)", $1, labels: labels) }
    readOnly = table.family("node_filesystem_readonly", "Filesystem read-only status.", labels: labels)
    failed = table.family(
      "node_filesystem_device_error", "Whether an error occurred while getting statistics for the given device.",
      labels: labels)
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    let isKnown =
      before.count == text.count
      && before.withUnsafeBytes { old in
        text.bytes.withUnsafeBytes { new in memcmp(old.baseAddress!, new.baseAddress!, old.count) == 0 }
      }
    if !isKnown || before.isEmpty {
      before = Array(text.bytes.prefix(text.count))
      mounts = Self.parse(text)
    }
    for mount in mounts {
      table.label(mount.device)
      table.label(mount.path)
      table.label(mount.kind)
      let figures = mount.isFar ? patient.figures(of: mount.path) : FileSystemFigures(of: mount.path)
      table.set(failed, figures == nil ? 1 : 0)
      if let figures {
        for (family, value) in zip(
          families,
          [
            figures.size, figures.free, figures.available, figures.files, figures.filesFree,
          ])
        { table.set(family, value) }
        table.set(readOnly, mount.isReadOnly ? 1 : 0)
      }
      table.clearLabels()
    }
  }

  // MARK: - The mount table

  private static let leftOutKinds: Set<String> = [
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl",
    "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs",
    "selinuxfs", "squashfs", "sysfs", "tracefs",
  ]
  private static let leftOutPaths = ["/dev", "/proc", "/sys"]

  static func parse(_ text: borrowing KernelText) -> [Mount] {
    let bytes = text.bytes.span
    var mounts: [Mount] = []
    var seen: Set<Mount> = []
    var lines = text.scanner
    while let line = lines.line(bytes), mounts.count < 10_000 {
      var fields = ByteScanner(line)
      guard let device = fields.field(bytes), let path = fields.field(bytes), let kind = fields.field(bytes),
        let options = fields.field(bytes)
      else { continue }
      let mount = Mount(
        device: unescaped(ByteScanner.text(bytes, device)), path: unescaped(ByteScanner.text(bytes, path)),
        kind: ByteScanner.text(bytes, kind),
        isReadOnly: ByteScanner.text(bytes, options).split(separator: ",").contains("ro"))
      guard !leftOutKinds.contains(mount.kind),
        !leftOutPaths.contains(where: { mount.path == $0 || mount.path.hasPrefix("\($0)/") }),
        !mount.path.hasPrefix("/run/credentials/"), seen.insert(mount).inserted
      else { continue }
      mounts.append(mount)
    }
    return mounts
  }

  /// Blanks and backslashes are written in octal.
  private static func unescaped(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
    let bytes = Array(text.utf8)
    var plain: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count,
        let byte = UInt8(String(decoding: bytes[index + 1...index + 3], as: UTF8.self), radix: 8)
      {
        plain.append(byte)
        index += 4
      } else {
        plain.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: plain, as: UTF8.self)
  }
}
