// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import SwiftASN1
import X509

/// What an agent may do, as its certificate says: the kinds of sub-systems that it may ask certificates for, and its roles.
///
/// ```
/// Capabilities ::= SEQUENCE {
///   version  INTEGER (0),
///   spawn    SEQUENCE OF UTF8String,
///   roles    SEQUENCE OF UTF8String }
/// ```
public struct AgentCapabilities: Sendable, Hashable, Codable {
  public var spawn: [String]
  public var roles: [String]

  private static let most = 64

  public init(spawn: [String] = [], roles: [String] = []) {
    self.spawn = spawn
    self.roles = roles
  }

  /// Stands for every kind of sub-system in ``spawn``.
  public static let any = "*"

  /// True where an agent with these may have a child of a kind, with `child`: nobody gives what he does not have.
  public func maySpawn(_ subsystem: String, with child: AgentCapabilities) -> Bool {
    func has(_ kind: String) -> Bool { spawn.contains(kind) || spawn.contains(Self.any) }
    return has(subsystem) && child.spawn.allSatisfy(has) && child.roles.allSatisfy(roles.contains)
  }

  /// Sorted and without repetitions, so that the same capabilities are the same bytes.
  package var canonical: AgentCapabilities {
    AgentCapabilities(spawn: Set(spawn).sorted(), roles: Set(roles).sorted())
  }

  /// - Throws: where a certificate has an extension of ours that cannot be read.
  public init?(_ certificate: Certificate) throws {
    guard let found = certificate.extensions[oid: ObjectIdentifiers.capabilities] else { return nil }
    self = try AgentCapabilities(derEncoded: Array(found.value))
  }

  package var certificateExtension: Certificate.Extension {
    get throws {
      var coder = DER.Serializer()
      try coder.serialize(canonical)
      return Certificate.Extension(
        oid: ObjectIdentifiers.capabilities, critical: false, value: coder.serializedBytes[...])
    }
  }
}

extension AgentCapabilities: DERImplicitlyTaggable {
  public static var defaultIdentifier: ASN1Identifier { .sequence }

  public init(derEncoded node: ASN1Node, withIdentifier identifier: ASN1Identifier) throws {
    self = try DER.sequence(node, identifier: identifier) { nodes in
      guard try Int(derEncoded: &nodes) == 0 else {
        throw ASN1Error.invalidASN1Object(reason: "capabilities of a version that is not known")
      }
      let spawn = try DER.sequence(of: ASN1UTF8String.self, identifier: .sequence, nodes: &nodes)
      let roles = try DER.sequence(of: ASN1UTF8String.self, identifier: .sequence, nodes: &nodes)
      guard spawn.count <= Self.most, roles.count <= Self.most else {
        throw ASN1Error.invalidASN1Object(reason: "more than \(Self.most) capabilities")
      }
      return AgentCapabilities(spawn: spawn.map { String($0) }, roles: roles.map { String($0) })
    }
  }

  public func serialize(into coder: inout DER.Serializer, withIdentifier identifier: ASN1Identifier) throws {
    try coder.appendConstructedNode(identifier: identifier) { coder in
      try coder.serialize(0)
      try coder.serializeSequenceOf(spawn.map { ASN1UTF8String($0) })
      try coder.serializeSequenceOf(roles.map { ASN1UTF8String($0) })
    }
  }
}
