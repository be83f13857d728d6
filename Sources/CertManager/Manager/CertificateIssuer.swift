// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import X509

/// Where a manager has its certificates signed. Calls wait.
protocol CertificateIssuer: Sendable {
  /// `embedded`, or a URL, for people.
  var name: String { get }
  var application: String { get }
  var root: Certificate { get }
  var intermediate: Certificate { get }

  /// - Parameters:
  ///   - key: proves its possession where the authority is another's.
  ///   - event: `issued` or `renewed`, for the ledger.
  func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key: AgentKey, names: [String], life: TimeInterval,
    event: String
  ) throws -> Certificate

  /// Revokes all certificates of an agent but one.
  ///
  /// - Parameter serial: hexadecimal; `nil`: all.
  func revoke(agent: String, sparing serial: String?, _ reason: RevocationReason) throws

  /// Writes down that something was refused here.
  func refused(_ what: String, _ problem: CertificateProblem)
}
