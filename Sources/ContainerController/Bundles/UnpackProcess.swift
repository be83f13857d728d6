// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import JSONRPC
import LinuxKernel

/// The confined child's main: gets the target directory over descriptor 3, reads the archive from descriptor 0, reports
/// on descriptor 3.
public enum UnpackProcess {
  /// - Parameter size: bytes of the archive, to tell a bomb by.
  public static func main(size: UInt64) -> Int32 {
    setlocale(LC_ALL, "C.UTF-8")
    let channel: Int32 = 3
    func report(_ report: UnpackReport) throws {
      try FileSystem.write(try JSONCoding.encode(report) + [0x0a], to: channel, object: "the report")
    }
    do {
      let message = try UnixSocket.receive(from: channel, capacity: 16, descriptors: 1)
      guard let target = message.descriptors.first else { return 1 }
      // The encoder loads what it needs now, while files may still be opened.
      try report(UnpackReport(progress: 0))
      try UnpackFilter.load()
      let unpacker = Unpacker(target: target.raw, limits: UnpackLimits(), archiveSize: size) { bytes in
        try report(UnpackReport(progress: bytes))
      }
      do {
        try report(UnpackReport(done: try unpacker.run(archive: 0)))
        return 0
      } catch {
        try report(UnpackReport(failure: "\(error)"))
        return 1
      }
    } catch {
      try? report(UnpackReport(failure: "\(error)"))
      return 1
    }
  }
}
