// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import X509

/// A key with what was signed for it.
struct HeldKey: Sendable {
  let key: AgentKey
  let issued: IssuedCertificate
  /// Hexadecimal.
  let serial: String

  var certificate: Certificate { issued.certificate }
}
