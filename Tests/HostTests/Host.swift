// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// What the machine that runs the tests offers.
enum Host {
  static let busybox: String? = ["/bin/busybox", "/usr/bin/busybox"].first { (path: String) in access(path, X_OK) == 0 }

  static func has(_ program: String) -> Bool {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].contains {
      access("\($0)/\(program)", X_OK) == 0
    }
  }

  private static let missing = HostNeeds.missing()
  /// Everything that an agent under test needs is there.
  static let canRunAgents = missing == nil
  static let reason = "needs \(missing ?? "nothing more")"

  /// How often a test repeats what it does: as often as it says, or less where the environment says so, as on an emulated
  /// machine.
  static func rounds(_ usual: Int) -> Int {
    min(usual, getenv("NODEAGENT_TEST_ROUNDS").flatMap { Int(String(cString: $0)) } ?? usual)
  }

  /// How many times longer than usual a test waits before it gives up: more than once only where the environment says so.
  static let patience = getenv("NODEAGENT_TEST_PATIENCE").flatMap { Double(String(cString: $0)) } ?? 1

  /// The directory of the programs under test: those beside the tests, or those of a release where the environment says so.
  static let programs = getenv("NODEAGENT_TEST_PROGRAMS").map { String(cString: $0) } ?? products

  /// Where the built products are.
  static let products: String = {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes {
      readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    let path = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    for candidate in [path] + CommandLine.arguments where candidate.contains(".build") {
      var directory = candidate
      while let slash = directory.lastIndex(of: "/") {
        directory = String(directory[..<slash])
        if access("\(directory)/nodeagent", X_OK) == 0 { return directory }
      }
    }
    return ".build/debug"
  }()
}
