// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// What to make a container from: a bundle, and what to change in its descriptor.
public struct ContainerSpec: Codable, Sendable, Hashable, SchemaDocumented {
  /// 1 to 63 of `a-z A-Z 0-9 . _ -`, beginning with a letter or digit.
  public var name: String
  /// `name:version`, `name` when there is one version, or a digest's first digits.
  public var bundle: String
  /// Replaces the bundle's command.
  public var command: [String]?
  /// Added to the bundle's environment.
  public var environment: [String: String]?
  /// Replaces single limits of the bundle.
  public var resources: Resources?
  public var restart: RestartPolicy?
  public var network: NetworkMode?
  /// Host ports for endpoints of the bundle, by endpoint name; 0 lets the node choose.
  public var publish: [String: UInt16]?
  /// Containers that this one and they reach at all ports, by name.
  public var links: [String]?
  /// Replaces the bundle's word on whether it has an identity.
  public var identity: Bool?
  /// A directory in the container where its identity is files; replaces the bundle's.
  public var identityFiles: String?

  public init(
    name: String, bundle: String, command: [String]? = nil, environment: [String: String]? = nil,
    resources: Resources? = nil, restart: RestartPolicy? = nil, network: NetworkMode? = nil,
    publish: [String: UInt16]? = nil
  ) {
    self.name = name
    self.bundle = bundle
    self.command = command
    self.environment = environment
    self.resources = resources
    self.restart = restart
    self.network = network
    self.publish = publish
  }

  public static let memberSummaries = [
    "name": "1 to 63 of a-z A-Z 0-9 . _ -, beginning with a letter or digit",
    "bundle": "name:version, name when there is one version, or the first digits of a digest",
    "command": "replaces the bundle's command",
    "environment": "added to the bundle's environment",
    "resources": "replaces single limits of the bundle",
    "identity": "true: it gets a key and a certificate, in a keyring; false: none; missing: as the bundle says",
    "identityFiles": "a directory in the container where its key and certificates are files; gives it an identity, too",
    "publish": "host ports by endpoint name; 0 lets the node choose",
    "links": "containers that exist; this one and they reach each other at all ports, by name",
  ]

  /// Why a name cannot be one, or `nil`.
  public static func problem(withName name: String) -> String? {
    let bytes = Array(name.utf8)
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }
    guard (1...63).contains(bytes.count), isAlphanumeric(bytes[0]),
      bytes.allSatisfy({ isAlphanumeric($0) || $0 == 0x2e || $0 == 0x5f || $0 == 0x2d })
    else { return "a name is 1 to 63 of a-z A-Z 0-9 . _ -, beginning with a letter or digit" }
    return nil
  }
}

/// Limits of a container; one that is missing is not set.
public struct Resources: Codable, Sendable, Hashable, SchemaDocumented {
  /// Bytes, page cache included.
  public var memory: UInt64?
  /// Bytes of swap beside the memory; 0 forbids it.
  public var swap: UInt64?
  /// Thousandths of a processor.
  public var cpuMilli: UInt64?
  /// Share under contention, 1 to 10000; 100 is the usual one.
  public var cpuWeight: UInt64?
  /// Processes and threads.
  public var pids: UInt64?
  /// Bytes that `/tmp`, `/run` and `/dev/shm` may hold together, counted as memory too.
  public var tmpfs: UInt64?
  /// Bytes a second over its network.
  public var receiveRate: UInt64?
  public var sendRate: UInt64?

  public init(
    memory: UInt64? = nil, swap: UInt64? = nil, cpuMilli: UInt64? = nil, cpuWeight: UInt64? = nil,
    pids: UInt64? = nil, tmpfs: UInt64? = nil, receiveRate: UInt64? = nil, sendRate: UInt64? = nil
  ) {
    self.receiveRate = receiveRate
    self.sendRate = sendRate
    self.memory = memory
    self.swap = swap
    self.cpuMilli = cpuMilli
    self.cpuWeight = cpuWeight
    self.pids = pids
    self.tmpfs = tmpfs
  }

  /// These limits, with those of `other` put in place of them.
  public func replaced(by other: Resources?) -> Resources {
    Resources(
      memory: other?.memory ?? memory, swap: other?.swap ?? swap, cpuMilli: other?.cpuMilli ?? cpuMilli,
      cpuWeight: other?.cpuWeight ?? cpuWeight, pids: other?.pids ?? pids, tmpfs: other?.tmpfs ?? tmpfs,
      receiveRate: other?.receiveRate ?? receiveRate, sendRate: other?.sendRate ?? sendRate)
  }

  public var bandwidth: BandwidthLimits? {
    receiveRate == nil && sendRate == nil ? nil : BandwidthLimits(receive: receiveRate, send: sendRate)
  }

  public static let memberSummaries = [
    "memory": "bytes, page cache included", "swap": "bytes of swap beside the memory; 0 forbids it",
    "cpuMilli": "thousandths of a processor", "cpuWeight": "share under contention, 1 to 10000, usually 100",
    "pids": "processes and threads",
    "tmpfs": "bytes that each of /tmp, /run and /dev/shm may hold; they count as memory too",
    "receiveRate": "bytes a second over its network", "sendRate": "bytes a second over its network",
  ]
}

/// What happens when a container ends by itself.
public struct RestartPolicy: Codable, Sendable, Hashable, SchemaDocumented {
  public enum Condition: String, Sendable, Hashable, SchemaEnumeration {
    case never
    /// When it did not end with code 0.
    case onFailure = "on-failure"
    case always
  }
  public var condition: Condition
  /// How often in a row it is tried; a run of more than ten seconds starts the count anew.
  public var limit: Int?

  public init(_ condition: Condition, limit: Int? = nil) {
    self.condition = condition
    self.limit = limit
  }

  public static let memberSummaries = [
    "limit": "how often in a row it is tried; a run of more than ten seconds starts the count anew"
  ]
}

public enum NetworkMode: String, Sendable, Hashable, SchemaEnumeration {
  /// A network namespace with nothing but its own loopback.
  case none
  /// A network namespace with loopback and an address on the node's bridge.
  case `private`
}
