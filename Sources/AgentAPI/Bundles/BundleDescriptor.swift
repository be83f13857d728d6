// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// A bundle's `bundle.yaml`, checked; see docs/bundle.md for the file's format.
public struct BundleDescriptor: Codable, Sendable, Hashable {
  public struct User: Codable, Sendable, Hashable {
    public var uid: UInt32
    public var gid: UInt32
    public var groups: [UInt32]
    public init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
      self.uid = uid
      self.gid = gid
      self.groups = groups
    }

    /// `UID` or `UID:GID` in decimal digits; 0 to 65535 each, which is what a container has.
    public init?(_ text: String) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2 else { return nil }
      var ids: [UInt32] = []
      for part in parts {
        guard !part.isEmpty, part.count <= 5, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
          let id = UInt32(part), id < 65536
        else { return nil }
        ids.append(id)
      }
      self.init(uid: ids[0], gid: ids.count == 2 ? ids[1] : ids[0])
    }
  }

  public struct Endpoint: Codable, Sendable, Hashable {
    public typealias Proto = TransportProtocol
    public typealias Scope = EndpointScope
    public var name: String
    public var proto: Proto
    public var port: UInt16
    public var scope: Scope
    /// The port on the node; 0 lets the node choose, missing does not publish it.
    public var publish: UInt16?
    /// Ports in a row from `port` on; `nil`: one.
    public var count: UInt16?
    /// New connections at the node's port, of everybody together and of each source; those beyond are dropped.
    public var rate: PacketRate?
    public var ratePerSource: PacketRate?
    public static let mostPorts = 1024
    public init(name: String, proto: Proto, port: UInt16, scope: Scope, publish: UInt16?, count: UInt16? = nil) {
      self.count = count
      self.name = name
      self.proto = proto
      self.port = port
      self.scope = scope
      self.publish = publish
    }
    enum CodingKeys: String, CodingKey {
      case name, port, scope, publish, count, rate, ratePerSource
      case proto = "protocol"
    }
  }

  /// A tmpfs of the container's own.
  public struct Mount: Codable, Sendable, Hashable {
    public var target: String
    public var size: UInt64
    public var mode: UInt32
    public init(target: String, size: UInt64, mode: UInt32) {
      self.target = target
      self.size = size
      self.mode = mode
    }
  }

  public enum Readiness: String, Sendable, Hashable, SchemaEnumeration { case started, notify }

  public struct Stop: Codable, Sendable, Hashable {
    /// The signal's number.
    public var signal: Int32
    public var timeoutMilliseconds: Int64
    public init(signal: Int32, timeoutMilliseconds: Int64) {
      self.signal = signal
      self.timeoutMilliseconds = timeoutMilliseconds
    }
  }

  public struct Log: Codable, Sendable, Hashable {
    public var segmentBytes: UInt64
    public var segments: UInt32
    public init(segmentBytes: UInt64, segments: UInt32) {
      self.segmentBytes = segmentBytes
      self.segments = segments
    }
  }

  /// An X.509 identity, in a keyring of the container.
  public struct Identity: Codable, Sendable, Hashable {
    /// `p256` (usual) or `ed25519`.
    public var key: String?
    /// Of each certificate, in seconds; usually 43200.
    public var life: Int64?
    /// The directory in the container where key and certificates are files.
    public var files: String?
    /// What happens in the container when it has the next certificate.
    public var renewal: Renewal?
    public init(key: String? = nil, life: Int64? = nil, files: String? = nil, renewal: Renewal? = nil) {
      self.key = key
      self.life = life
      self.files = files
      self.renewal = renewal
    }

    public enum Renewal: Codable, Sendable, Hashable {
      /// The workload gets a signal.
      case signal(Int32)
      /// A command runs, as `exec` runs one.
      case command([String])
    }
    /// Where the files are usually.
    public static let usualDirectory = "/run/identity"

    /// Why a path cannot be their directory, or `nil`.
    public static func problem(withFiles path: String) -> String? {
      let parts = path.split(separator: "/")
      guard path.hasPrefix("/"), path.utf8.count < 4096, !path.utf8.contains(0), !parts.isEmpty,
        !parts.contains("."), !parts.contains("..")
      else { return "must be an absolute path without . and .., such as \(usualDirectory)" }
      return ["proc", "sys", "dev"].contains(parts[0]) ? "must not be below /proc, /sys, /dev" : nil
    }
  }

  public var name: String
  public var version: String
  public var command: [String]
  public var environment: [String: String]
  public var user: User
  public var directory: String
  public var hostname: String?
  public var resources: Resources
  /// Soft and hard limits by their names in setrlimit(2), lower case, without `RLIMIT_`.
  public var rlimits: [String: UInt64]
  public var capabilities: [String]
  public var endpoints: [Endpoint]
  public var mounts: [Mount]
  public var network: NetworkMode
  public var readOnly: Bool
  public var readiness: Readiness
  public var restart: RestartPolicy
  public var stop: Stop
  public var log: Log
  /// `nil` in records of versions without checks.
  public var checks: [HealthCheck]?
  /// `nil`: none.
  public var identity: Identity?

  public init(name: String, version: String, command: [String]) {
    self.name = name
    self.version = version
    self.command = command
    environment = [:]
    user = User(uid: 0, gid: 0)
    directory = "/"
    resources = Resources()
    rlimits = [:]
    capabilities = []
    endpoints = []
    mounts = []
    network = .private
    readOnly = false
    readiness = .started
    restart = RestartPolicy(.never)
    stop = Stop(signal: 15, timeoutMilliseconds: 10_000)
    log = Log(segmentBytes: 8 << 20, segments: 4)
  }
}
