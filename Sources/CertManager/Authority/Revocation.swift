// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import X509

/// A certificate that is not good any more, before its end.
public struct Revocation: Sendable, Hashable {
  public var serial: Certificate.SerialNumber
  public var date: Date
  public var reason: RevocationReason
  public init(serial: Certificate.SerialNumber, date: Date, reason: RevocationReason) {
    self.serial = serial
    self.date = date
    self.reason = reason
  }
}
