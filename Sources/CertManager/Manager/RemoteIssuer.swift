// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import JSONRPC
import LinuxKernel
import Logging
import NIOPosix
import Probing
import Synchronization
import X509

/// An authority elsewhere, over HTTPS. The manager proves who it is by a certificate of its own: the first one for a token, each next one for
/// the one before.
final class RemoteIssuer: CertificateIssuer {
  private struct State {
    var url: String?
    var root: Certificate?
    var own: OwnCredential?
    var problem = "it was not asked yet"
    /// The keys that certificates of its own were asked for, until there is an answer, by what was shown for them: a token or a certificate's
    /// number.
    var asked: [String: AgentKey] = [:]
    var list: (list: VerifiedList, fetched: Date)?
    /// Who signed the newest list.
    var lister: Certificate?
  }

  private struct Signed: Decodable {
    var certificate: String
    var chain: [String]
    var next: String?
  }

  private struct Problem: Decodable { var detail: String }

  private struct Signing: Encodable {
    var csr: String
    var life: Double
    var again: Bool?
  }

  private struct Revocation: Encodable {
    var agent: String
    var sparing: String?
    var reason: String
  }

  /// Where the authority is, as it was found: the bootstrap data need not be there for ever.
  private struct Found: Codable {
    var url: String
    /// `sha256:` and the hash of the root's DER in hexadecimal.
    var root: String
    /// The root itself, PEM, where it was fetched.
    var certificate: String?
  }

  private let settings: AuthoritySettings
  private let instance: Int
  private let file: String
  private let boots: NextBoot
  private let logger: Logger
  private let requester = HTTPRequester(group: MultiThreadedEventLoopGroup.singleton)
  private let state = Mutex(State())
  private let jitter = Double.random(in: 0...1)

  private static let listAge: TimeInterval = 60
  private static let timeout: Int64 = 10_000
  /// Tells what is refused, which trying again does not change.
  private static let refusals = [400, 401, 403, 404]

  /// - Parameter directory: the manager's own.
  init(_ settings: AuthoritySettings, instance: Int, directory: String, logger: Logger) {
    self.settings = settings
    file = "\(directory)/authority.json"
    boots = NextBoot(directory: directory)
    self.instance = instance
    self.logger = logger
    state.withLock { $0.url = settings.url }
  }

  var name: String { state.withLock { $0.url } ?? "not known yet" }
  var hasNextBoot: Bool? { (try? boots.token()) != nil }

  func authority() throws -> IssuerFacts {
    try state.withLock { state in
      guard let root = state.root, let own = state.own, let identity = AgentIdentity(own.certificate) else {
        throw CertificateProblem.unusable("the authority has not taken this node in yet: \(state.problem)")
      }
      return IssuerFacts(
        application: identity.application, node: identity.node, root: root)
    }
  }

  /// The manager's own certificate with its key, where it has one.
  var credential: OwnCredential? { state.withLock { $0.own } }

  func refused(_ what: String, _ problem: CertificateProblem) {
    logger.notice("refused", metadata: ["what": "\(what)", "why": "\(problem)"])
  }

  // MARK: - Its own certificate

  func run(ready: @escaping @Sendable () async -> Void) async {
    var failures = 0
    var isReady = false
    while !Task.isCancelled {
      do {
        try await keepOwn()
        failures = 0
      } catch {
        failures += 1
        state.withLock { $0.problem = "\(error)" }
        logger.warning("the authority gives this node no certificate", metadata: ["error": "\(error)"])
      }
      let now = Date()
      let own = state.withLock { $0.own?.certificate }
      // A renewal that is due and does not come is no reason to serve nobody.
      if !isReady, let own, own.notValidAfter > now {
        isReady = true
        await ready()
      }
      var plan = RenewalPlan(
        issued: own?.notValidBefore ?? now, ends: own?.notValidAfter ?? now + CertificateAuthority.usualLife,
        jitter: jitter)
      plan.failures = failures
      let pause = failures > 0 ? plan.pause : max(1, plan.due.timeIntervalSince(now))
      try? await Task.sleep(for: .seconds(pause))
    }
  }

  /// Sees to it that there is a certificate with half of its life before it.
  private func keepOwn() async throws {
    if state.withLock({ $0.own == nil }) {
      let restored = try await restore()
      state.withLock { $0.own = restored }
    }
    guard let own = state.withLock({ $0.own }), own.certificate.notValidAfter > Date() else { return try await begin() }
    let plan = RenewalPlan(
      issued: own.certificate.notValidBefore, ends: own.certificate.notValidAfter, jitter: jitter)
    if plan.due <= Date() { try await take("/renew", own, bearer: nil) }
  }

  /// What an earlier manager has left, where that is of the authority that certificates.yaml means today.
  private func restore() async throws -> OwnCredential? {
    let left = try await Blocking.run { [instance] in try OwnCredential.restore(instance) }
    // Who could change the bootstrap data later shall not move the node to another authority.
    guard let left, place(nil) != nil else { return nil }
    try await findAuthority(nil)
    guard let root = state.withLock({ $0.root }), left.isOf(root) else {
      logger.warning("what an earlier manager has left is another authority's, and of no use")
      return nil
    }
    return left
  }

  /// With a token, once: the one that the authority has given for this boot, else the one that the node was given.
  private func begin() async throws {
    var refusal: CertificateProblem?
    if let token = try boots.token(), place(nil) != nil {
      do {
        try await findAuthority(nil)
        try await take("/sign", nil, bearer: token.text)
        return logger.info("taken in again by the authority", metadata: ["url": "\(name)"])
      } catch CertificateProblem.refused(let why) {
        refusal = .refused(why)
      }
    }
    do {
      let data = try await settings.bootstrap.read()
      try await findAuthority(data)
      guard let token = data.token else {
        throw CertificateProblem.unusable("there is no token to begin with where certificates.yaml says")
      }
      try await take("/sign", nil, bearer: token.text)
    } catch {
      guard let refusal else { throw error }
      throw CertificateProblem.unusable("\(error); and the token for the next boot: \(refusal)")
    }
    logger.info("taken in by the authority", metadata: ["url": "\(name)"])
  }

  private func take(_ path: String, _ own: OwnCredential?, bearer: String?) async throws {
    let shown = bearer ?? own.map { Ledger.hexadecimal($0.certificate.serialNumber) } ?? ""
    let asked = state.withLock { $0.asked[shown] }
    let key = try asked ?? AgentKey(.p256)
    state.withLock { $0.asked[shown] = key }
    let body = Signing(
      csr: try Self.csr(key), life: CertificateAuthority.usualLife, again: asked == nil ? nil : true)
    let (issued, token): (IssuedCertificate, String?)
    do {
      (issued, token) = try await signed(path, body, own, bearer: bearer)
    } catch CertificateProblem.refused(let why) {
      state.withLock { $0.asked[shown] = nil }
      throw CertificateProblem.refused(why)
    }
    guard issued.certificate.publicKey == key.publicKey else {
      throw CertificateProblem.unusable("the authority has certified another key")
    }
    state.withLock { $0.asked = [:] }
    do {
      // First of all: what is in the keyring goes with the machine's power.
      try await Blocking.run { [boots] in try boots.keep(token) }
    } catch {
      logger.error("the token for the next boot is lost", metadata: ["error": "\(error)"])
    }
    let next = OwnCredential(key: key, certificate: issued.certificate, intermediate: issued.intermediate)
    state.withLock { $0.own = next }
    try await Blocking.run { [instance] in try next.keep(instance) }
  }

  /// The authority's URL and its root's hash: as configured, as the bootstrap data says, or as they were found before; `nil` where nobody says.
  private func place(_ data: BootstrapData?) -> Found? {
    let known = (try? FileSystem.read(file)).flatMap { try? JSONText.decode(Found.self, $0) }
    guard let url = settings.url ?? data?.authority ?? known?.url, url.hasPrefix("https://"),
      let pin = settings.root ?? data?.root ?? known?.root, pin.hasPrefix("sha256:")
    else { return nil }
    return Found(url: url, root: pin.lowercased(), certificate: known?.certificate)
  }

  /// The root is known by its hash alone, so that it can be fetched from whoever answers there; once it is there it need not be fetched again.
  private func findAuthority(_ data: BootstrapData?) async throws {
    if state.withLock({ $0.root != nil && $0.url != nil }) { return }
    guard var found = place(data) else {
      throw CertificateProblem.unusable(
        "neither certificates.yaml nor the bootstrap data has both, the authority's https URL and the root's hash, sha256: and 64 hexadecimal digits"
      )
    }
    var root = found.certificate.flatMap { try? Certificate(pemEncoded: $0) }
    if try root.map(CertificateAuthority.fingerprint) != found.root { root = nil }
    let certificate = if let root { root } else { try await fetchRoot(found) }
    found.certificate = try AuthorityStore.pem(certificate)
    try FileSystem.replace(
      file, with: Array(try JSONText.encode(found).utf8), mode: 0o600, durable: true)
    state.withLock { state in
      state.root = certificate
      state.url = found.url
    }
  }

  private func fetchRoot(_ place: Found) async throws -> Certificate {
    var probe = HTTPProbe(url: "\(place.url)/root.pem")
    // Nothing is believed but what has the hash.
    probe.insecure = true
    let answer = try await requester.send(probe, body: [], timeout: Self.timeout)
    guard answer.status == 200,
      let root = try? Certificate(pemEncoded: String(decoding: answer.body, as: UTF8.self))
    else { throw CertificateProblem.unusable("\(place.url)/root.pem is no certificate") }
    let fingerprint = try CertificateAuthority.fingerprint(of: root)
    guard fingerprint == place.root else {
      throw CertificateProblem.unusable(
        "what \(place.url) has for a root has the hash \(fingerprint), not \(place.root.prefix(80))")
    }
    return root
  }

  // MARK: - Others' certificates

  func issue(
    _ identity: AgentIdentity, _ capabilities: AgentCapabilities, key: AgentKey, names: [String], life: TimeInterval,
    event: String, isAgain: Bool
  ) async throws -> IssuedCertificate {
    let body = ChildRequest(
      csr: try Self.csr(key), agent: identity.agent, subsystem: identity.subsystem, endpoints: identity.endpoints,
      names: names, capabilities: capabilities, life: life, event: event, again: isAgain ? true : nil)
    let (issued, _) = try await signed("/issue", body, try own(), bearer: nil)
    guard issued.certificate.publicKey == key.publicKey,
      AgentIdentity(issued.certificate)?.agent == identity.agent
    else { throw CertificateProblem.unusable("the authority has certified something else") }
    return issued
  }

  func revoke(agent: String, sparing serial: String?, _ reason: RevocationReason) async throws {
    _ = try await call(
      "/revoke", Revocation(agent: agent, sparing: serial, reason: reason.name), try own(), bearer: nil)
  }

  func state(of serial: Certificate.SerialNumber) async throws -> CertificateAuthority.CertificateState {
    let list = try await currentList()
    return list.contains(serial) ? .revoked(Date(), .unspecified) : .good
  }

  /// The authority's list; one that is known is good enough for a minute, and where the authority is away until its own end.
  private func currentList(now: Date = Date()) async throws -> VerifiedList {
    let (known, url) = state.withLock { ($0.list, $0.url) }
    if let known, now.timeIntervalSince(known.fetched) < Self.listAge { return known.list }
    do {
      guard let url else { throw CertificateProblem.unusable("the authority is not known yet") }
      let list = try await fetchList(url, try authority().root)
      state.withLock { $0.list = (list, now) }
      return list
    } catch {
      guard let known, known.list.nextUpdate > now else {
        throw CertificateProblem.unusable("the list of revoked certificates is not to be had: \(error)")
      }
      return known.list
    }
  }

  /// The list is signed by the intermediate that signs now, which need not be the one of this manager's own certificate.
  private func fetchList(_ url: String, _ root: Certificate) async throws -> VerifiedList {
    let context = try OwnCredential.context(root: root, nil)
    func get(_ path: String) async throws -> [UInt8] {
      let answer = try await requester.send(
        HTTPProbe(url: url + path), body: [], timeout: Self.timeout, context: context)
      guard answer.status == 200 else {
        throw CertificateProblem.unusable("\(url)\(path) has the status \(answer.status)")
      }
      return answer.body
    }
    let bytes = try await get("/crl")
    let lister = try state.withLock { $0.lister } ?? own().intermediate
    if let list = try? VerifiedList(bytes, issuer: lister) { return list }
    let present = try Certificate(derEncoded: try await get("/intermediate.der"))
    guard root.publicKey.isValidSignature(present.signature, for: present), present.notValidAfter > Date() else {
      throw CertificateProblem.unusable("\(url)/intermediate.der is not signed by the root, or has ended")
    }
    let list = try VerifiedList(bytes, issuer: present)
    state.withLock { $0.lister = present }
    return list
  }

  private func own() throws -> OwnCredential {
    try state.withLock { state in
      guard let own = state.own else {
        throw CertificateProblem.unusable("the authority has not taken this node in yet: \(state.problem)")
      }
      return own
    }
  }

  private static func csr(_ key: AgentKey) throws -> String {
    try key.withPrivateKey { key in
      let request = try CertificateSigningRequest(
        version: .v1, subject: try DistinguishedName { CommonName("nodeagent") }, privateKey: key, attributes: .init())
      return try request.serializeAsPEM().pemString
    }
  }

  // MARK: - The wire

  private func signed(
    _ path: String, _ body: some Encodable, _ own: OwnCredential?, bearer: String?
  ) async throws -> (IssuedCertificate, next: String?) {
    let signed = try JSONText.decode(Signed.self, try await call(path, body, own, bearer: bearer))
    guard let chain = signed.chain.first else { throw CertificateProblem.unusable("the authority has sent no chain") }
    let (certificate, intermediate) = (
      try Certificate(pemEncoded: signed.certificate), try Certificate(pemEncoded: chain)
    )
    guard intermediate.publicKey.isValidSignature(certificate.signature, for: certificate),
      let root = state.withLock({ $0.root }), root.publicKey.isValidSignature(intermediate.signature, for: intermediate)
    else { throw CertificateProblem.unusable("the authority has sent a certificate that does not lead to its root") }
    return (IssuedCertificate(certificate: certificate, intermediate: intermediate), signed.next)
  }

  private func call(
    _ path: String, _ body: some Encodable, _ own: OwnCredential?, bearer: String?
  ) async throws -> [UInt8] {
    let (url, root) = state.withLock { ($0.url, $0.root) }
    guard let url, let root else { throw CertificateProblem.unusable("the authority is not known yet") }
    var probe = HTTPProbe(url: url + path)
    probe.method = "POST"
    probe.headers = ["Content-Type": "application/json"]
    if let bearer { probe.headers["Authorization"] = "Bearer \(bearer)" }
    let answer: HTTPAnswer
    do {
      answer = try await requester.send(
        probe, body: Array(try JSONText.encode(body).utf8), timeout: Self.timeout,
        context: try OwnCredential.context(root: root, own))
    } catch {
      throw CertificateProblem.unusable("\(url) does not answer: \(error)")
    }
    guard answer.status == 200 else {
      let detail = (try? JSONText.decode(Problem.self, answer.body))?.detail ?? "status \(answer.status)"
      throw Self.refusals.contains(answer.status)
        ? CertificateProblem.refused("\(url) refuses: \(detail)") : .unusable("\(url) has failed: \(detail)")
    }
    return answer.body
  }
}
