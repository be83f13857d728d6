// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import X509

/// Where a manager has its certificates signed.
protocol CertificateIssuer: Sendable {
  /// `embedded`, or a URL, for people.
  var name: String { get }

  /// There is a token for the machine's next boot; `nil` where it needs none.
  var hasNextBoot: Bool? { get }

  /// What is known of the authority, once it was reached.
  ///
  /// - Throws: ``CertificateProblem`` with why it was not.
  func authority() throws -> IssuerFacts

  /// - Parameters:
  ///   - key: proves its possession where the authority is another's.
  ///   - event: `issued` or `renewed`, for the ledger.
  ///   - isAgain: the same was asked for with this key before, and the answer did not arrive; it may have been given.
  func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key: AgentKey, names: [String], life: TimeInterval,
    event: String, isAgain: Bool
  ) async throws -> IssuedCertificate

  /// Revokes all certificates of an agent but one.
  ///
  /// - Parameter serial: hexadecimal; `nil`: all.
  func revoke(agent: String, sparing serial: String?, _ reason: RevocationReason) async throws

  /// - Throws: where the authority's word on it is not to be had, or too old.
  func state(of serial: Certificate.SerialNumber) async throws -> CertificateAuthority.CertificateState

  /// Writes down that something was refused here.
  func refused(_ what: String, _ problem: CertificateProblem)

  /// Does what it needs to serve, and goes on with it; calls `ready` once it can.
  func run(ready: @escaping @Sendable () async -> Void) async
}

/// An authority, and the node as it knows it.
struct IssuerFacts: Sendable, Hashable {
  var application: String
  var node: String
  var root: Certificate
}
