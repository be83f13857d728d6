// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// A bundle in the store.
public struct BundleView: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var version: String
  /// SHA-256 of the archive, 64 hexadecimal digits.
  public var digest: String
  /// Bytes of the archive.
  public var size: UInt64
  public var files: UInt64
  public var imported: String
  /// Things in the archive that were left out, such as device nodes.
  public var notes: [String]
  public var containers: [String]

  public init(
    name: String, version: String, digest: String, size: UInt64, files: UInt64, imported: String, notes: [String],
    containers: [String]
  ) {
    self.name = name
    self.version = version
    self.digest = digest
    self.size = size
    self.files = files
    self.imported = imported
    self.notes = notes
    self.containers = containers
  }

  /// `name:version`.
  public var reference: String { "\(name):\(version)" }

  public static let memberSummaries = [
    "digest": "SHA-256 of the archive, 64 hexadecimal digits", "size": "bytes of the archive",
    "notes": "what was left out of the archive, such as device nodes", "containers": "made from it",
  ]
}

public struct BundleDetails: Codable, Sendable, Hashable {
  public var summary: BundleView
  public var descriptor: BundleDescriptor
  public init(summary: BundleView, descriptor: BundleDescriptor) {
    self.summary = summary
    self.descriptor = descriptor
  }
}

/// How far an import is.
public struct ImportProgress: Codable, Sendable, Hashable {
  /// `receiving` or `unpacking`.
  public var stage: String
  public var bytes: UInt64
  public init(stage: String, bytes: UInt64) {
    self.stage = stage
    self.bytes = bytes
  }
}

public enum BundleMethods {
  public struct Reference: Codable, Sendable, Hashable {
    public var bundle: String
    public init(bundle: String) { self.bundle = bundle }
  }

  public struct Import: Codable, Sendable, Hashable, SchemaDocumented {
    public var size: UInt64?
    public var digest: String?
    public init(size: UInt64? = nil, digest: String? = nil) {
      self.size = size
      self.digest = digest
    }
    public static let memberSummaries = [
      "size": "bytes that will come, to refuse early what does not fit",
      "digest": "SHA-256 that the archive must have",
    ]
  }

  public static let importArchive = Method<Import, Empty>(
    "bundle.import", kind: .stream, role: .operatorRole,
    "Takes an archive as input frames, ended by an empty one; answers with progress frames and a result frame, a BundleView.",
    errors: [.invalidBundle, .noSpace])
  public struct ImportFile: Codable, Sendable, Hashable, SchemaDocumented {
    public var path: String
    public var digest: String?
    public init(path: String, digest: String? = nil) {
      self.path = path
      self.digest = digest
    }
    public static let memberSummaries = [
      "path": "of an archive on the node that the container controller's user may read",
      "digest": "SHA-256 that the archive must have",
    ]
  }

  /// For callers without frames.
  public static let importFile = Method<ImportFile, BundleView>(
    "bundle.importFile", role: .operatorRole, "Adds a bundle from an archive on the node.",
    errors: [.invalidBundle, .noSpace, .kernelRefused])
  public static let list = Method<Empty, [BundleView]>("bundle.list", role: .observer, "All bundles, by name.")
  public static let inspect = Method<Reference, BundleDetails>(
    "bundle.inspect", role: .observer, "A bundle and its descriptor.", errors: [.notFound])
  public static let remove = Method<Reference, Empty>(
    "bundle.remove", role: .operatorRole, "Removes a bundle that no container is made from.",
    errors: [.notFound, .wrongState])
}
