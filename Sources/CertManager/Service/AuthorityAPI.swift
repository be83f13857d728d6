// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CertificateProfile
import Foundation
import Logging
import NIOHTTP1
import SwiftASN1
import X509

/// The authority's answers, whatever carries them; docs/certificates.md describes each.
struct AuthorityAPI: Sendable {
  /// A request with its whole body.
  struct Request: Sendable {
    var method: HTTPMethod
    /// Without a query.
    var path: String
    /// `Authorization: Bearer …`.
    var bearer: String?
    var body: [UInt8]
    /// The certificate that the client has proved to have, as DER; it was issued here.
    var client: [UInt8]?
    /// The connection is encrypted, and this end has shown its certificate.
    var isSecure: Bool
  }

  /// What is asked for with a token, or with the certificate that one has.
  private struct Signing: Decodable {
    /// PEM.
    var csr: String
    var endpoints: [String]?
    /// Seconds.
    var life: Double?
    /// The answer to the same request was lost.
    var again: Bool?
  }

  private struct Revocation: Decodable {
    var agent: String
    var sparing: String?
    var reason: String
  }

  private struct Signed: Encodable {
    var certificate: String
    var chain: [String]
    /// A token for the machine's next boot.
    var next: String?
  }

  let store: AuthorityStore
  private let logger: Logger
  private let lists = CachedLists()

  /// Called when somebody has got his first certificate.
  private let handedOut: @Sendable () -> Void

  init(store: AuthorityStore, logger: Logger, handedOut: @escaping @Sendable () -> Void = {}) {
    self.handedOut = handedOut
    self.store = store
    self.logger = logger
  }

  func answer(_ request: Request, now: Date = Date()) -> AuthorityAnswer {
    do {
      try store.refresh()
    } catch {
      // What is known is good all the same.
      logger.error("the authority's directory cannot be read", metadata: ["error": "\(error)"])
    }
    do {
      switch (request.method, request.path) {
      case (.POST, "/sign"): return try sign(request, now)
      case (.POST, "/renew"): return try renew(request, now)
      case (.POST, "/issue"): return try issue(request, now)
      case (.POST, "/revoke"): return try revoke(request, now)
      case (.GET, "/root.pem"): return try pem([store.authority.root])
      case (.GET, "/chain.pem"): return try pem([store.authority.intermediate, store.authority.root])
      case (.GET, "/intermediate.der"): return try intermediate(store.authority)
      case (.GET, "/crl"): return try list(store.authority, now)
      case (.GET, let path) where path.hasPrefix("/crl/"):
        return try store.authority(path.dropFirst(5)).map { try list($0, now) } ?? Self.noIntermediate
      case (.GET, let path) where path.hasPrefix("/intermediate/") && path.hasSuffix(".der"):
        return try store.authority(path.dropFirst(14).dropLast(4)).map(intermediate) ?? Self.noIntermediate
      case (.POST, "/ocsp"): return ocsp(request.body, now)
      case (.GET, let path) where path.hasPrefix("/ocsp/"):
        // As it stands in the path: Base64, and that percent-encoded (RFC 6960, appendix A.1).
        guard let text = path.dropFirst(6).removingPercentEncoding, let bytes = Data(base64Encoded: text) else {
          return .problem(.badRequest, "what comes after /ocsp/ has to be a request in Base64")
        }
        return ocsp(Array(bytes), now)
      case (_, "/sign"), (_, "/renew"), (_, "/issue"), (_, "/revoke"), (_, "/ocsp"):
        return .problem(.methodNotAllowed, "only POST is served here")
      case (_, "/root.pem"), (_, "/chain.pem"), (_, "/intermediate.der"), (_, "/crl"):
        return .problem(.methodNotAllowed, "only GET is served here")
      default:
        return .problem(
          .notFound,
          "there are /sign, /renew, /issue, /revoke, /root.pem, /chain.pem, /intermediate.der, /crl and /ocsp")
      }
    } catch let problem as CertificateProblem {
      return .problem(.forbidden, "\(problem)")
    } catch is DecodingError {
      return .problem(.badRequest, "the body has to be JSON with csr, and may have endpoints and life")
    } catch {
      logger.error("a request failed", metadata: ["path": "\(request.path.prefix(40))", "error": "\(error)"])
      return .problem(.internalServerError, "the authority has failed; its log says why")
    }
  }

  private func sign(_ request: Request, _ now: Date) throws -> AuthorityAnswer {
    guard request.isSecure else { return .problem(.forbidden, "a token is taken over TLS alone") }
    guard let token = request.bearer.flatMap(BootstrapToken.init) else {
      return .problem(.unauthorized, "a token belongs into the header Authorization, behind Bearer")
    }
    let wanted = try JSONText.decode(Signing.self, request.body)
    let certificate = try store.sign(
      try Self.read(wanted.csr), token: token, endpoints: wanted.endpoints ?? [],
      life: wanted.life ?? CertificateAuthority.usualLife, isAgain: wanted.again ?? false, now: now)
    handedOut()
    return try signed(certificate, hasNext: true)
  }

  private func renew(_ request: Request, _ now: Date) throws -> AuthorityAnswer {
    guard let bytes = request.client else {
      return .problem(.unauthorized, "the certificate to be renewed has to be the connection's own")
    }
    let wanted = try JSONText.decode(Signing.self, request.body)
    return try signed(
      try store.renew(
        try Certificate(derEncoded: bytes), try Self.read(wanted.csr), endpoints: wanted.endpoints,
        life: wanted.life ?? CertificateAuthority.usualLife, isAgain: wanted.again ?? false, now: now), hasNext: true)
  }

  private func issue(_ request: Request, _ now: Date) throws -> AuthorityAnswer {
    guard let bytes = request.client else {
      return .problem(.unauthorized, "a manager shows its certificate on the connection")
    }
    let wanted = try JSONText.decode(ChildRequest.self, request.body)
    let child = AuthorityStore.Child(
      request: try Self.read(wanted.csr),
      identity: AgentIdentity(
        application: store.application, subsystem: wanted.subsystem, agent: wanted.agent, node: "node",
        endpoints: wanted.endpoints),
      capabilities: wanted.capabilities, names: wanted.names, life: wanted.life, isRenewal: wanted.event == "renewed",
      isAgain: wanted.again ?? false)
    return try signed(
      try store.issue(child, by: try Certificate(derEncoded: bytes), now: now), hasNext: false)
  }

  private func revoke(_ request: Request, _ now: Date) throws -> AuthorityAnswer {
    guard let bytes = request.client else {
      return .problem(.unauthorized, "a manager shows its certificate on the connection")
    }
    let wanted = try JSONText.decode(Revocation.self, request.body)
    guard let reason = RevocationReason(name: wanted.reason) else {
      return .problem(.badRequest, "reason is \(RevocationReason.allCases.map(\.name).joined(separator: ", "))")
    }
    try store.revoke(
      agent: wanted.agent, sparing: wanted.sparing, reason, by: try Certificate(derEncoded: bytes), now: now)
    return AuthorityAnswer(.ok, "application/json", Array("{}\n".utf8))
  }

  private static func read(_ pem: String) throws -> CertificateSigningRequest {
    do {
      return try CertificateSigningRequest(pemEncoded: pem)
    } catch {
      throw CertificateProblem.refused("csr is no certificate signing request in PEM: \(error)")
    }
  }

  private func signed(_ certificate: Certificate, hasNext: Bool) throws -> AuthorityAnswer {
    let next = hasNext ? try AgentIdentity(certificate).flatMap { try store.ledger.nextToken(for: $0.agent) } : nil
    let answer = Signed(
      certificate: try AuthorityStore.pem(certificate),
      chain: try store.chain(of: certificate).map(AuthorityStore.pem), next: next?.text)
    return AuthorityAnswer(.ok, "application/json", Array("\(try JSONText.encode(answer))\n".utf8))
  }

  private static let noIntermediate = AuthorityAnswer.problem(
    .notFound, "no intermediate has this identifier, or all that it has signed has ended")

  private func intermediate(_ authority: CertificateAuthority) throws -> AuthorityAnswer {
    var coder = DER.Serializer()
    try coder.serialize(authority.intermediate)
    return AuthorityAnswer(.ok, "application/pkix-cert", coder.serializedBytes)
  }

  private func list(_ authority: CertificateAuthority, _ now: Date) throws -> AuthorityAnswer {
    AuthorityAnswer(.ok, "application/pkix-crl", try lists.get(authority, store.ledger, now))
  }

  private func pem(_ certificates: [Certificate]) throws -> AuthorityAnswer {
    let text = try certificates.map(AuthorityStore.pem).joined()
    return AuthorityAnswer(.ok, "application/x-pem-file", Array(text.utf8))
  }

  private func ocsp(_ request: [UInt8], _ now: Date) -> AuthorityAnswer {
    AuthorityAnswer(.ok, "application/ocsp-response", store.ocspAnswer(to: request, now: now))
  }
}
