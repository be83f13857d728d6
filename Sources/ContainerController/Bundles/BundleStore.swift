// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Crypto
import Glibc
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// The bundles of this node, by the SHA-256 of their archives.
///
/// A bundle is in the store once its template is committed and its record written, in this order; what was cut off
/// before is removed at the next start.
actor BundleStore {
  private let directory: String
  private let spool: String
  private let host: HostClient
  private let events: EventLog
  private var records: [String: BundleRecord] = [:]
  private var importing: Set<String> = []
  private var nextSpool = 0

  init(instance: Instance, host: HostClient, events: EventLog) {
    directory = "\(instance.controllerState)/bundles"
    spool = "\(instance.controllerState)/import"
    self.host = host
    self.events = events
  }

  /// Reads the records, and removes templates without one.
  func load(templates: [String]) async throws {
    try FileSystem.removeTree(spool)
    try FileSystem.makeDirectory(spool, mode: 0o700)
    try FileSystem.makeDirectory(directory, mode: 0o700)
    for name in try FileSystem.names(in: directory) where name.hasSuffix(".json") {
      let record = try JSONCoding.decode(BundleRecord.self, from: FileSystem.read("\(directory)/\(name)"))
      guard templates.contains(record.digest) else {
        try FileSystem.remove("\(directory)/\(name)")
        continue
      }
      records[record.digest] = record
    }
    for digest in templates where records[digest] == nil {
      try await host.call(HostMethods.templateRemove, .init(digest: digest))
    }
  }

  var all: [BundleRecord] { records.values.sorted { ($0.reference, $0.digest) < ($1.reference, $1.digest) } }

  /// Finds by `name:version`, by `name` when there is one version, or by the first digits of a digest.
  func find(_ reference: String) throws(RPCError) -> BundleRecord {
    let exact = records.values.filter { $0.reference == reference }
    let matches =
      !exact.isEmpty
      ? exact
      : records.values.filter {
        $0.descriptor.name == reference || (reference.count >= 6 && $0.digest.hasPrefix(reference))
      }
    if matches.count == 1 { return matches[0] }
    if matches.count > 1 {
      let list = matches.map { "\($0.reference) (\($0.digest.prefix(12)))" }.sorted().joined(separator: ", ")
      throw RPCError(.invalidParams, "\"\(reference.prefix(128))\" could be \(list); say which by its digest")
    }
    throw RPCError(
      .notFound,
      "there is no bundle \"\(reference.prefix(128))\"; nodeagent bundle ls lists them, nodeagent bundle import adds one"
    )
  }

  func remove(_ reference: String, usedBy containers: [String]) async throws {
    let record = try find(reference)
    guard containers.isEmpty else {
      throw RPCError(
        .wrongState, "bundle \(record.reference) is used by \(containers.joined(separator: ", ")); remove them first")
    }
    try FileSystem.remove("\(directory)/\(record.digest).json")
    records[record.digest] = nil
    try await host.call(HostMethods.templateRemove, .init(digest: record.digest))
    events.add(kind: "bundle", name: record.reference, event: "removed", cause: nil, correlation: nil)
  }

  // MARK: - Import

  /// An archive that is being received.
  final class Upload {
    let path: String
    let file: SharedDescriptor
    private var hash = SHA256()
    private(set) var size: UInt64 = 0

    init(path: String) throws(SyscallError) {
      self.path = path
      file = SharedDescriptor(try FileSystem.open(path, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600))
    }

    deinit { unlink(path) }

    func add(_ bytes: [UInt8]) throws(SyscallError) {
      try FileSystem.write(bytes, to: file.raw, object: "the received archive")
      hash.update(data: bytes)
      size += UInt64(bytes.count)
    }

    var digest: String { hash.finalize().hexadecimal }
  }

  /// Where the next archive is received; the file goes with its ``Upload``.
  func nextUploadPath() -> String {
    nextSpool += 1
    return "\(spool)/\(nextSpool)"
  }

  /// Makes a bundle of a received archive; one that is there already is only looked up.
  func add(
    archive: SharedDescriptor, size: UInt64, digest: String, expected: String?,
    progress: @escaping @Sendable (UInt64) -> Void
  ) async throws -> BundleRecord {
    if let expected, expected != digest {
      throw RPCError(.invalidBundle, "the archive has the digest \(digest), not \(expected): it was damaged on its way")
    }
    if let known = records[digest] { return known }
    guard importing.insert(digest).inserted else { throw RPCError(.busy, "bundle \(digest) is being imported already") }
    defer { importing.remove(digest) }
    lseek(archive.raw, 0, SEEK_SET)
    do {
      let result = try await UnpackChild(host: host).unpack(archive, size: size, digest: digest, progress: progress)
      let descriptor: BundleDescriptor
      do {
        descriptor = try DescriptorParser.parse(result.descriptor)
      } catch {
        throw RPCError(
          .invalidBundle, error.description,
          data: ["file": .string(error.file), "line": .integer(Int64(error.line)), "key": .string(error.key)])
      }
      let record = BundleRecord(
        digest: digest, size: size, files: result.files, imported: Timestamp.now, notes: result.notes,
        descriptor: descriptor)
      try await host.call(HostMethods.templateCommit, .init(digest: digest))
      try FileSystem.replace(
        "\(directory)/\(digest).json", with: try JSONCoding.encode(record), mode: 0o600, durable: true)
      records[digest] = record
      events.add(kind: "bundle", name: record.reference, event: "imported", cause: nil, correlation: nil)
      return record
    } catch {
      // A template that was never begun, or is gone, makes this no worse.
      _ = try? await host.call(HostMethods.templateRemove, .init(digest: digest))
      throw error
    }
  }
}
