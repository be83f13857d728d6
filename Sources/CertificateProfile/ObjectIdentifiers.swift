// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import SwiftASN1

/// Object identifiers that the libraries do not name.
package enum ObjectIdentifiers {
  /// `userId` (RFC 4519 §2.39).
  package static let userID: ASN1ObjectIdentifier = [0, 9, 2342, 19_200_300, 100, 1, 1]
  /// Ours, below the arc whose numbers need no registration (ITU-T X.667); docs/certificates.md has the ASN.1 module.
  package static let capabilities: ASN1ObjectIdentifier = [2, 25, 7_956_029_163_021_542_131, 1]
  /// `id-ce-cRLNumber` (RFC 5280 §5.2.3).
  package static let crlNumber: ASN1ObjectIdentifier = [2, 5, 29, 20]
  /// `id-ce-cRLReasons` (RFC 5280 §5.3.1).
  package static let reasonCode: ASN1ObjectIdentifier = [2, 5, 29, 21]
  package static let authorityKeyIdentifier: ASN1ObjectIdentifier = [2, 5, 29, 35]
  package static let crlDistributionPoints: ASN1ObjectIdentifier = [2, 5, 29, 31]
  /// `id-pkix-ocsp-basic` and `id-pkix-ocsp-nonce` (RFC 6960 §4.2.1, §4.4.1).
  package static let ocspBasic: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 7, 48, 1, 1]
  package static let ocspNonce: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 7, 48, 1, 2]
  package static let sha1: ASN1ObjectIdentifier = [1, 3, 14, 3, 2, 26]
  package static let sha256: ASN1ObjectIdentifier = [2, 16, 840, 1, 101, 3, 4, 2, 1]
}
