// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import X509

/// The intermediates of an authority: the one that signs, and those before it that have certificates which are still good.
struct SigningAuthorities: Sendable {
  let current: CertificateAuthority
  /// They sign lists and answers, and no certificates.
  let retired: [CertificateAuthority]

  var all: [CertificateAuthority] { [current] + retired }

  /// - Returns: `nil` for a certificate that none of them has signed.
  func issuer(of certificate: Certificate) -> CertificateAuthority? { all.first { $0.hasIssued(certificate) } }

  /// - Parameter identifier: as in ``CertificateAuthority/identifier``.
  subscript(identifier: some StringProtocol) -> CertificateAuthority? { all.first { $0.identifier == identifier } }
}
