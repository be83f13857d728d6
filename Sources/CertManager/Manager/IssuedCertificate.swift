// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import X509

/// A certificate with the intermediate that has signed it: an authority has more than one in its life.
struct IssuedCertificate: Sendable {
  let certificate: Certificate
  let intermediate: Certificate
}
