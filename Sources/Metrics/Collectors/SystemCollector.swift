// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// What the machine is: its kernel and its distribution.
struct SystemCollector: Collector {
  let name = "uname"
  private let kernel: FamilyID
  private let distribution: FamilyID
  private let version: FamilyID
  private let domain: KernelFile
  private let release: [String: String]

  private static let words = [
    "build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant", "variant_id", "version",
    "version_codename", "version_id",
  ]

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    domain = KernelFile("\(roots.proc)/sys/kernel/domainname")
    kernel = table.family(
      "node_uname_info", "Labeled system information as provided by the uname system call.",
      labels: ["sysname", "release", "version", "machine", "nodename", "domainname"])
    distribution = table.family(
      "node_os_info", "A metric with a constant '1' value labeled by the fields of os-release.", labels: Self.words)
    version = table.family(
      "node_os_version", "Metric containing the major.minor part of the OS version.", labels: ["id", "id_like", "name"])
    let texts = ["\(roots.etc)/os-release", "/usr/lib/os-release"]
    release = Self.parse(texts.lazy.compactMap { try? FileSystem.readText($0, limit: 64 << 10) }.first ?? "")
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    var names = utsname()
    guard uname(&names) == 0 else { throw SyscallError(call: "uname", object: "the kernel", errno: errno) }
    label(&table, &names.sysname)
    label(&table, &names.release)
    label(&table, &names.version)
    label(&table, &names.machine)
    label(&table, &names.nodename)
    do {
      try domain.read(into: &text)
      var lines = text.scanner
      table.label(text.bytes.span, lines.line(text.bytes.span) ?? 0..<0)
    } catch {
      table.label("(none)")
    }
    table.set(kernel, 1)
    table.clearLabels()
    guard !release.isEmpty else { return }
    for word in Self.words { table.label(release[word] ?? "") }
    table.set(distribution, 1)
    table.clearLabels()
    if let number = Self.majorMinor(release["version_id"] ?? "") {
      for word in ["id", "id_like", "name"] { table.label(release[word] ?? "") }
      table.set(version, number)
      table.clearLabels()
    }
  }

  /// A field of `utsname`, which is a tuple of characters with a 0 at its end.
  private func label<Characters>(_ table: inout SeriesTable, _ characters: inout Characters) {
    withUnsafeBytes(of: &characters) { bytes in
      table.label(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
    }
  }

  /// `KEY=value`, the value perhaps in quotes (os-release(5)); keys in lower case.
  static func parse(_ text: String) -> [String: String] {
    var values: [String: String] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let parts = line.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { continue }
      var value = parts[1]
      for quote in ["\"", "'"] where value.count > 1 && value.hasPrefix(quote) && value.hasSuffix(quote) {
        value = value.dropFirst().dropLast()
      }
      values[parts[0].lowercased()] = String(value)
    }
    return values
  }

  static func majorMinor(_ version: String) -> Double? {
    Double(version.split(separator: ".").prefix(2).joined(separator: "."))
  }
}
