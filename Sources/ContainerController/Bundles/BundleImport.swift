// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Crypto
import Glibc
import JSONRPC
import LinuxKernel
import Logging

/// One upload of an archive over a switched connection: frames in, progress and the result out.
struct BundleImport: Sendable {
  let bundles: BundleStore
  let path: String
  let params: BundleMethods.Import
  let logger: Logger
  let view: @Sendable (BundleRecord) async -> BundleView

  func run(_ socket: FramedSocket) async {
    do {
      let received = try await Blocking.onOwnThread("import") { try receive(socket) }
      guard let received else { return }
      let record = try await bundles.add(
        archive: received.file, size: received.size, digest: received.digest, expected: params.digest
      ) { bytes in
        // A caller that does not read its progress is not waited for longer than its socket takes.
        if let line = try? JSONCoding.encode(ImportProgress(stage: "unpacking", bytes: bytes)) {
          try? socket.write(StreamFrame(.progress, line))
        }
      }
      let line = try JSONCoding.encode(await view(record))
      try await Blocking.onOwnThread("import") { try socket.write(StreamFrame(.result, line)) }
    } catch {
      let problem = Self.describe(error)
      logger.notice("an import failed", metadata: ["error": "\(problem.message)"])
      if let line = try? JSONCoding.encode(problem) {
        _ = try? await Blocking.onOwnThread("import") { try socket.write(StreamFrame(.failure, line)) }
      }
    }
  }

  private static func describe(_ error: any Error) -> RPCError {
    switch error {
    case let error as RPCError: error
    case let error as SyscallError: RPCError(error.errno == 28 ? .noSpace : .kernelRefused, error.description)
    default: RPCError(.internalError, "\(error)")
    }
  }

  /// Opens an archive on the node and hashes it. The descriptor is read twice, so it must be a regular file; one that
  /// changes between is refused by its digest or unpacked as what was hashed, never trusted.
  static func digest(of path: String) throws -> Received {
    let file = SharedDescriptor(try FileSystem.open(path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY))
    guard try FileSystem.status(of: file.raw).isRegularFile else {
      throw RPCError(.invalidParams, "params.path: \(path) is no regular file")
    }
    var hash = SHA256()
    var size: UInt64 = 0
    var chunk = [UInt8](repeating: 0, count: 256 << 10)
    while true {
      let count = try FileSystem.read(file.raw, into: &chunk, object: path)
      if count == 0 { break }
      hash.update(data: chunk.prefix(count))
      size += UInt64(count)
    }
    return Received(file: file, size: size, digest: hash.finalize().hexadecimal)
  }

  struct Received: Sendable {
    var file: SharedDescriptor
    var size: UInt64
    var digest: String
  }

  private static func words(for announced: UInt64?) -> String {
    announced.map { "the \($0) bytes that were announced" } ?? "\(most) bytes"
  }

  /// The longest archive, in bytes.
  private static let most: UInt64 = 16 << 30

  /// The archive and what it becomes must fit; at least as much again is left to the machine.
  private static func checkRoom(for size: UInt64, at path: String) throws {
    var info = statvfs()
    let directory = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    guard statvfs(directory, &info) == 0 else { throw SyscallError(call: "statvfs", object: directory, errno: errno) }
    let free = UInt64(info.f_bavail) * UInt64(info.f_frsize)
    guard size < free / 3 else {
      throw RPCError(
        .noSpace,
        "an archive of \(size >> 20) MiB needs about three times its size to unpack; \(directory) has \(free >> 20) MiB left"
      )
    }
  }

  /// Receives the archive; `nil` when the caller went away before its end.
  private func receive(_ socket: FramedSocket) throws -> Received? {
    if let size = params.size { try Self.checkRoom(for: size, at: path) }
    let upload = try BundleStore.Upload(path: path)
    while let frame = try socket.read() {
      guard frame.kind == .input else { throw RPCError(.invalidRequest, "an archive comes in input frames") }
      if frame.payload.isEmpty {
        return Received(file: upload.file, size: upload.size, digest: upload.digest)
      }
      guard upload.size + UInt64(frame.payload.count) <= min(params.size ?? .max, Self.most) else {
        throw RPCError(
          .invalidBundle, "the archive is longer than \(Self.words(for: params.size))")
      }
      try upload.add(frame.payload)
    }
    return nil
  }
}
