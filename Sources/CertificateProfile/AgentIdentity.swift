// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import X509

/// `userId` (RFC 4519 §2.39) of a distinguished name.
private struct UserID: RelativeDistinguishedNameConvertible {
  let text: String
  init(_ text: String) { self.text = text }
  func makeRDN() throws -> RelativeDistinguishedName {
    RelativeDistinguishedName(.init(type: ObjectIdentifiers.userID, utf8String: text))
  }
}

/// Who an agent is: the subject of its certificate, and the names by which it is reached.
public struct AgentIdentity: Sendable, Hashable, Codable {
  /// `DC`.
  public var application: String
  /// `O`.
  public var subsystem: String
  /// `UID` (RFC 4519): of this agent alone.
  public var agent: String
  /// `OU`: the node's full name.
  public var node: String
  /// URIs, in the subject's alternative names.
  public var endpoints: [String]

  public init(application: String, subsystem: String, agent: String, node: String, endpoints: [String] = []) {
    self.application = application
    self.subsystem = subsystem
    self.agent = agent
    self.node = node
    self.endpoints = endpoints
  }

  /// The DNS name, in the subject's alternative names: the agent's own, below its node's.
  public var dnsName: String { "\(agent).\(node)" }

  /// Why it cannot be in a certificate; `nil` where it can.
  public var problem: String? {
    for (what, text) in [("application", application), ("subsystem", subsystem), ("agent", agent)]
    where !Self.isLabel(text) {
      return "\(what) has to be letters, digits and hyphens, at most 63, not \"\(text.prefix(80))\""
    }
    guard node.utf8.count <= 180, !node.isEmpty,
      node.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ Self.isLabel(String($0)) })
    else { return "node has to be a DNS name, not \"\(node.prefix(200))\"" }
    guard endpoints.count <= 32 else { return "an agent has at most 32 endpoints" }
    for endpoint in endpoints
    where endpoint.utf8.count > 500 || !endpoint.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
      || !endpoint.contains("://")
    {
      return "an endpoint has to be a URI, not \"\(endpoint.prefix(100))\""
    }
    return nil
  }

  /// As in host names (RFC 1123 §2.1).
  private static func isLabel(_ text: String) -> Bool {
    (1...63).contains(text.utf8.count) && text.first != "-" && text.last != "-"
      && text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x2d
      }
  }

  package var distinguishedName: DistinguishedName {
    get throws {
      try DistinguishedName {
        DomainComponent(application)
        OrganizationName(subsystem)
        OrganizationalUnitName(node)
        UserID(agent)
      }
    }
  }

  /// What a certificate says; `nil` where it is not one of the profile.
  public init?(_ certificate: Certificate) {
    var found: [String: String] = [:]
    for part in certificate.subject {
      for attribute in part {
        guard let value = String(attribute.value) else { return nil }
        let name: String
        switch attribute.type {
        case .RDNAttributeType.domainComponent: name = "application"
        case .RDNAttributeType.organizationName: name = "subsystem"
        case .RDNAttributeType.organizationalUnitName: name = "node"
        case ObjectIdentifiers.userID: name = "agent"
        default: return nil
        }
        guard found.updateValue(value, forKey: name) == nil else { return nil }
      }
    }
    guard let application = found["application"], let subsystem = found["subsystem"], let node = found["node"],
      let agent = found["agent"]
    else { return nil }
    // Every certificate of the profile has some.
    guard let names = try? certificate.extensions.subjectAlternativeNames else { return nil }
    var endpoints: [String] = []
    for name in names {
      if case .uniformResourceIdentifier(let uri) = name { endpoints.append(uri) }
    }
    self.init(application: application, subsystem: subsystem, agent: agent, node: node, endpoints: endpoints)
    if problem != nil { return nil }
  }
}
