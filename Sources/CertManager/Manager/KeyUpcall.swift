// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Glibc
import LinuxKernel

/// Whether, and by which program, the kernel's requests for keys reach a manager (request-key.conf(5)).
///
/// The kernel has that program started as root. So it is one that nobody but root can replace.
public enum KeyUpcall {
  public static let program = "/sbin/request-key"
  public static let configuration = "/etc/request-key.d/nodeagent.conf"
  /// Where the package has its program.
  static let packaged = "/usr/lib/nodeagent/"
  /// Where a program is copied to that others than root could replace where it is.
  public static let copied = "/usr/local/lib/nodeagent/nodeagent-harness"

  public enum Outcome: Sendable, Equatable {
    /// The requests go to this program from now on.
    case written(String)
    /// The package answers them for every agent of the machine.
    case packaged
  }

  /// The line that has the harness answer for identities.
  ///
  /// - Parameter harness: its path.
  static func line(harness: String) -> String { "create user nodeagent:cert:* * \(harness) request-key %k %u\n" }

  /// The program that the configuration names; `nil` where there is none of ours.
  public static var named: String? { named(in: (try? FileSystem.readText(configuration, limit: 4096)) ?? "") }

  static func named(in text: String) -> String? {
    let words = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.flatMap { $0.split(separator: " ") }
    return words.count == 8 && words[5] == "request-key" ? String(words[4]) : nil
  }

  /// Has the kernel's requests answered by a harness, for all instances on the machine.
  ///
  /// - Parameter force: also where the package does it.
  /// - Throws: ``SyscallError`` without root; ``CertificateProblem`` where the requests still do not arrive.
  public static func install(harness: String, force: Bool = false) throws -> Outcome {
    if !force, let named, named.hasPrefix(packaged), problem() == nil { return .packaged }
    guard let resolved = realpath(harness, nil) else {
      throw SyscallError(call: "realpath", object: harness, errno: errno)
    }
    defer { free(resolved) }
    var path = String(cString: resolved)
    if try !isRootsAlone(path) {
      try FileSystem.makeDirectories("/usr/local/lib/nodeagent", mode: 0o755)
      try FileSystem.replace(copied, with: try FileSystem.read(harness, limit: 256 << 20), mode: 0o755, durable: true)
      path = copied
    }
    try FileSystem.makeDirectories("/etc/request-key.d", mode: 0o755)
    try FileSystem.replace(configuration, with: Array(line(harness: path).utf8), mode: 0o644, durable: true)
    if let problem = problem() { throw CertificateProblem.unusable(problem) }
    return .written(path)
  }

  /// Takes back what ``install(harness:force:)`` did; the package's line stays.
  ///
  /// - Returns: false where there was nothing to take back.
  public static func remove() throws -> Bool {
    guard let named, !named.hasPrefix(packaged) else { return false }
    try FileSystem.remove(configuration)
    try FileSystem.remove(copied)
    return true
  }

  /// Nobody but root can put another file in the place of this one, which no link leads to.
  public static func isRootsAlone(_ path: String) throws -> Bool {
    var place = ""
    for part in path.split(separator: "/") {
      place += "/\(part)"
      let status = try FileSystem.status(of: place)
      let isShared = status.mode & 0o022 != 0
      // In a directory such as /tmp everybody may only replace what is his own (inode(7), "sticky bit").
      let isSticky = status.isDirectory && status.mode & 0o1000 != 0
      if status.uid != 0 || (isShared && !isSticky) { return false }
    }
    return true
  }

  /// Why the kernel's requests do not; `nil` where they should.
  public static func problem() -> String? {
    guard FileSystem.exists(program) else {
      return "\(program) is not there, which the kernel runs for keys; install the package keyutils"
    }
    guard FileSystem.exists(configuration) else {
      return "\(configuration) is not there; nodeagent cert setup writes it"
    }
    guard let named else { return "\(configuration) is not as nodeagent cert setup writes it" }
    guard FileSystem.exists(named) else {
      return "\(configuration) names \(named), which is not there; nodeagent cert setup writes it anew"
    }
    return nil
  }
}
