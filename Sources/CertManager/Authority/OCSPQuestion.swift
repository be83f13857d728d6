// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import SwiftASN1
import X509

/// What a client asks about certificates (RFC 6960 §4.1). A signature of the client's is passed over.
struct OCSPQuestion: Sendable {
  /// A certificate by its issuer's hashes and its number; its bytes come back in the answer as they are.
  struct Subject: Sendable {
    var hash: ASN1ObjectIdentifier
    var nameHash: ArraySlice<UInt8>
    var keyHash: ArraySlice<UInt8>
    var serial: Certificate.SerialNumber
    var node: ASN1Any
  }

  var subjects: [Subject] = []
  /// The extension with the client's random number, as it stands there (RFC 8954).
  var nonce: Certificate.Extension?

  static let most = 16

  init(_ bytes: [UInt8]) throws {
    let request = try DER.sequence(try DER.parse(bytes), identifier: .sequence) { nodes -> ASN1Node in
      guard let tbs = nodes.next() else { throw ASN1Error.invalidASN1Object(reason: "no request") }
      _ = nodes.next()
      return tbs
    }
    try DER.sequence(request, identifier: .sequence) { nodes in
      while let node = nodes.next() {
        // The version and the requestor's name before the list are context-specific, too.
        guard node.identifier == .sequence else {
          if node.identifier == ASN1Identifier(tagWithNumber: 2, tagClass: .contextSpecific) {
            try readExtensions(node)
          }
          continue
        }
        subjects = try DER.sequence(of: Element.self, identifier: .sequence, rootNode: node).map(\.subject)
      }
    }
    guard (1...Self.most).contains(subjects.count) else {
      throw ASN1Error.invalidASN1Object(reason: "a request is about 1 to \(Self.most) certificates")
    }
  }

  private mutating func readExtensions(_ node: ASN1Node) throws {
    guard case .constructed(let parts) = node.content, let list = parts.first(where: { _ in true }) else { return }
    for one in try DER.sequence(of: Certificate.Extension.self, identifier: .sequence, rootNode: list)
    where one.oid == ObjectIdentifiers.ocspNonce && one.value.count <= 130 {
      nonce = one
    }
  }

  /// `Request`.
  private struct Element: DERParseable {
    let subject: Subject

    init(derEncoded node: ASN1Node) throws {
      subject = try DER.sequence(node, identifier: .sequence) { nodes in
        guard let id = nodes.next() else { throw ASN1Error.invalidASN1Object(reason: "no CertID") }
        _ = nodes.next()
        return try DER.sequence(id, identifier: .sequence) { parts in
          guard let algorithm = parts.next() else { throw ASN1Error.invalidASN1Object(reason: "no algorithm") }
          let hash = try DER.sequence(algorithm, identifier: .sequence) { algorithm in
            let oid = try ASN1ObjectIdentifier(derEncoded: &algorithm)
            _ = algorithm.next()
            return oid
          }
          let nameHash = try ASN1OctetString(derEncoded: &parts)
          let keyHash = try ASN1OctetString(derEncoded: &parts)
          let serial = try ArraySlice<UInt8>(derEncoded: &parts)
          return Subject(
            hash: hash, nameHash: nameHash.bytes, keyHash: keyHash.bytes,
            serial: Certificate.SerialNumber(bytes: serial), node: ASN1Any(derEncoded: id))
        }
      }
    }
  }
}
