// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertManager
import Glibc
import LinuxKernel
import Testing

/// The kernel's requests for keys, which go to one program for the whole machine.
enum KeyUpcalls {
  /// For a shell in a container: prints the one key in its keyring.
  static let readKey = """
    ring=$(keyctl search @s keyring nodeagent) && key=$(keyctl list $ring | grep -o '^ *[0-9]*:' | tr -d ' :') && keyctl pipe $key
    """

  /// Why they cannot be tried here; `nil` where they can.
  static let problem: String? = {
    guard Host.canRunAgents else { return Host.reason }
    guard Host.has("keyctl"), Host.has("openssl") else { return "needs keyutils and openssl" }
    // Nothing is left behind: what was answered before is answered again.
    before = KeyUpcall.named.flatMap { FileSystem.exists($0) ? $0 : nil }
    atexit { KeyUpcalls.restore() }
    // Where the package is installed its own program is what is to be tried, and this changes nothing.
    guard let set = try? Command.run(["\(Host.programs)/nodeagent", "cert", "setup"]) else { return "needs nodeagent" }
    return set.code == 0 ? nil : set.error
  }()

  nonisolated(unsafe) private static var before: String?

  private static func restore() {
    do {
      if let before {
        _ = try KeyUpcall.install(harness: before)
      } else {
        _ = try KeyUpcall.remove()
      }
    } catch {
      print("\(KeyUpcall.configuration) stays as the tests wrote it: \(error)")
    }
  }

  /// Puts a program with its libraries into a root file-system.
  static func install(_ program: String, in rootfs: String) throws {
    let path = try #require(
      ["/bin", "/usr/bin", "/sbin", "/usr/sbin"].map { "\($0)/\(program)" }.first { (path: String) in
        access(path, X_OK) == 0
      })
    let libraries = try Command.run(["ldd", path]).output.split(whereSeparator: \.isWhitespace).filter {
      $0.hasPrefix("/")
    }
    for file in [path] + libraries.map(String.init) {
      let directory = file.split(separator: "/").dropLast().joined(separator: "/")
      try FileSystem.makeDirectories("\(rootfs)/\(directory)", mode: 0o755)
      try FileSystem.replace("\(rootfs)\(file)", with: try FileSystem.read(file, limit: 32 << 20), mode: 0o755)
    }
  }
}
