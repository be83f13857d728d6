// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel
import LogStore
import Logging

/// The identities of a node: who may ask for which, and by which token each is taken up.
actor IdentityRegistry {
  private let issuer: any CertificateIssuer
  private let events: EventLog
  private let services: IdentityServices
  private let instance: Int
  private var identities: [String: ManagedIdentity] = [:]
  /// Agents by their uid.
  private var agents: [UInt32: Set<String>] = [:]
  private var tokens = TokenIndex()
  private let feed: IdentityFeed
  /// Anybody on the machine can cause refusals: so many are told in a minute.
  private var refusals = (minute: 0, count: 0)
  private static let mostRefusals = 60

  static let most = 4096

  /// - Parameter instance: the number by which the kernel's upcalls find this manager.
  init(
    issuer: any CertificateIssuer, files: IdentityFiles, instance: Int, events: EventLog, logger: Logger
  ) {
    self.issuer = issuer
    self.events = events
    self.instance = instance
    let feed = IdentityFeed()
    self.feed = feed
    services = IdentityServices(
      issuer: issuer, files: files, events: events, logger: logger, changed: { feed.put($0) }, gone: { feed.remove($0) }
    )
  }

  var count: Int { identities.count }

  /// Takes up what an earlier manager left.
  func load() throws {
    let (records, broken) = try services.files.load()
    for name in broken {
      services.logger.error("a record cannot be read and is left out", metadata: ["file": "\(name)"])
      events.add(
        kind: "certificate", name: name, event: "record lost", severity: .error,
        cause: "it cannot be read; its certificate ends by itself", correlation: nil)
    }
    for record in records {
      let identity = ManagedIdentity(record, services: services)
      add(identity, uid: record.uid)
      if let token = record.token, !token.used { tokens.set(token.hash, of: record.agent) }
      identity.resume()
    }
  }

  /// An identity of one of the agent's own daemons, which comes with the manager and is not asked for: what it is follows from its uid.
  func ensure(_ subsystem: String, uid: UInt32, _ capabilities: AgentCapabilities) async throws {
    for identity in identities.values {
      let record = await identity.record
      if record.parent == nil, record.identity.subsystem == subsystem, record.ended == nil {
        if record.uid == uid, record.capabilities == capabilities { return }
        try await identity.end(.superseded)
      }
    }
    let authority = try issuer.authority()
    var record = IdentityRecord(
      identity: AgentIdentity(
        application: authority.application, subsystem: subsystem, agent: UUID().uuidString.lowercased(),
        node: authority.node),
      capabilities: capabilities, uid: uid, kind: .p256, life: CertificateAuthority.usualLife)
    record.delivery = .signer
    try services.files.write(record)
    let identity = ManagedIdentity(record, services: services)
    add(identity, uid: uid)
    identity.begin()
  }

  private func add(_ identity: ManagedIdentity, uid: UInt32) {
    identities[identity.agent] = identity
    agents[uid, default: []].insert(identity.agent)
  }

  // MARK: - Asking

  /// The identities that the user at the other end of a connection has taken up.
  private func own(_ uid: UInt32) async -> [IdentityRecord] {
    var found: [IdentityRecord] = []
    for identity in (agents[uid] ?? []).compactMap({ identities[$0] }) {
      let record = await identity.record
      if record.delivery != nil, record.ended == nil { found.append(record) }
    }
    return found
  }

  func request(_ wanted: CertMethods.Request, by uid: UInt32) async throws -> CertMethods.Token {
    let parents = await own(uid)
    guard !parents.isEmpty else {
      throw refuse("request", "uid \(uid) has no identity here, and so may ask for none", uid)
    }
    let wantedCapabilities = AgentCapabilities(spawn: wanted.spawn ?? [], roles: wanted.roles ?? [])
    guard
      let parent = parents.first(where: { $0.capabilities.maySpawn(wanted.subsystem, with: wantedCapabilities) })
    else {
      let spawn = parents.flatMap(\.capabilities.spawn).joined(separator: ", ")
      let roles = parents.flatMap(\.capabilities.roles).joined(separator: ", ")
      throw refuse(
        "request",
        "uid \(uid) may not ask for a \(wanted.subsystem.prefix(63)) with these roles and kinds to spawn: its own certificate lets it spawn \(spawn.isEmpty ? "nothing" : spawn), with the roles \(roles.isEmpty ? "none" : roles)",
        uid)
    }
    guard wanted.uid != 0 || uid == 0 else { throw refuse("request", "only root asks for root", uid) }
    guard identities.count < Self.most else {
      throw RPCError(.noSpace, "there are \(Self.most) identities on this node already")
    }
    var record = try record(wanted, wantedCapabilities, parent)
    let token = try freshToken()
    let given = ManagedIdentity.recorded(token)
    record.token = given
    try services.files.write(record)
    let identity = ManagedIdentity(record, services: services)
    add(identity, uid: record.uid)
    tokens.set(given.hash, of: record.agent)
    // Before the token is known to anybody its certificate is on the way.
    identity.begin()
    return CertMethods.Token(agent: record.agent, token: token.text, expires: ManagedIdentity.text(given.expires))
  }

  private func record(
    _ wanted: CertMethods.Request, _ capabilities: AgentCapabilities, _ parent: IdentityRecord
  ) throws -> IdentityRecord {
    let agent = UUID().uuidString.lowercased()
    let authority = try issuer.authority()
    var identity = AgentIdentity(
      application: authority.application, subsystem: wanted.subsystem, agent: agent, node: authority.node)
    identity.endpoints = (wanted.endpoints ?? []).map { endpoint in
      Self.uri(endpoint, host: identity.dnsName)
    }
    if let problem = identity.problem { throw RPCError(.invalidParams, "params: \(problem)") }
    guard let kind = wanted.key.map({ KeyKind(rawValue: $0) }) ?? .p256, AgentKey.kinds.contains(kind) else {
      throw RPCError(
        .invalidParams, "params.key is \(AgentKey.kinds.map(\.rawValue).joined(separator: " or ")) for an agent")
    }
    let life = wanted.life.map(TimeInterval.init) ?? CertificateAuthority.usualLife
    guard CertificateAuthority.lives.contains(life) else {
      throw RPCError(.invalidParams, "params.life is seconds from 60 to 604800")
    }
    if let name = wanted.name, ContainerSpec.problem(withName: name) != nil {
      throw RPCError(.invalidParams, "params.name: \(ContainerSpec.problem(withName: name) ?? "")")
    }
    var record = IdentityRecord(
      identity: identity, capabilities: capabilities, name: wanted.name, parent: parent.agent, uid: wanted.uid,
      kind: kind, life: life)
    record.isContainer = parent.identity.subsystem == "container-controller"
    return record
  }

  /// `http+tcp://AGENT.NODE:8080` (RFC 3986 §3.1 says what a scheme is).
  private static func uri(_ endpoint: NamedPort, host: String) -> String {
    let name = endpoint.name.lowercased()
    let isScheme =
      name.utf8.first.map { (0x61...0x7a).contains($0) } ?? false
      && name.utf8.allSatisfy {
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x2e || $0 == 0x2b
      }
    return "\(isScheme ? "\(name)+" : "")\(endpoint.proto.rawValue)://\(host):\(endpoint.port)"
  }

  private func freshToken() throws -> IdentityToken {
    do {
      return IdentityToken(instance: instance, random: try LockedBytes.random(32).withBytes { Array($0) })
    } catch let error as SyscallError where error.errno == ENOMEM {
      throw RPCError(
        .noSpace,
        "the manager may lock no more memory (RLIMIT_MEMLOCK), and holds the keys of \(identities.count) identities: each needs a page until its agent takes it up"
      )
    }
  }

  /// Another token for what was renewed.
  func token(_ agent: String, by uid: UInt32) async throws -> CertMethods.Token {
    let identity = try await find(agent, by: uid, orParent: true, orAdmin: false)
    let token = try freshToken()
    tokens.set(IdentityRecord.hash(of: token.text), of: agent)
    return try await identity.makeToken(token)
  }

  // MARK: - Taking up

  func redeemForKeyring(_ text: String, uid: UInt32) async throws -> ManagedIdentity.Payload {
    try await redeem(text, uid) { try await $0.redeemForKeyring($1, uid: uid) }
  }

  func redeemForSigner(_ text: String, uid: UInt32) async throws -> CertMethods.Chain {
    try await redeem(text, uid) { try await $0.redeemForSigner($1, uid: uid) }
  }

  private func redeem<Result: Sendable>(
    _ text: String, _ uid: UInt32, _ body: @Sendable (ManagedIdentity, IdentityToken) async throws -> Result
  ) async throws -> Result {
    guard let token = IdentityToken(text) else { throw refuse("token", "that is no token", uid) }
    guard let agent = tokens.agent(IdentityRecord.hash(of: token.text)), let identity = identities[agent] else {
      throw refuse("token", "the token is not known here: it was made void, or its agent has ended", uid)
    }
    do {
      return try await body(identity, token)
    } catch let error as RPCError where error.code == .permissionDenied {
      throw refuse("token", error.message, uid, agent: agent)
    }
  }

  /// What is refused is written down, and told.
  private func refuse(_ what: String, _ why: String, _ uid: UInt32, agent: String? = nil) -> RPCError {
    issuer.refused(what, .refused("\(why) (uid \(uid)\(agent.map { ", agent \($0)" } ?? ""))"))
    let minute = Int(Date().timeIntervalSince1970 / 60)
    refusals = (minute, refusals.minute == minute ? refusals.count + 1 : 1)
    guard refusals.count <= Self.mostRefusals else { return RPCError(.permissionDenied, why) }
    events.add(
      kind: "certificate", name: what, event: "refused", severity: .warning, cause: why, correlation: nil,
      data: ["uid": "\(uid)"].merging(agent.map { ["agent": $0] } ?? [:]) { $1 })
    return RPCError(.permissionDenied, why)
  }

  // MARK: - Using

  private func find(_ agent: String, by uid: UInt32, orParent: Bool, orAdmin: Bool) async throws -> ManagedIdentity {
    guard let identity = identities[agent] else {
      throw RPCError(.notFound, "there is no identity \"\(agent.prefix(64))\" here; cert.list shows them")
    }
    if orAdmin, uid == 0 { return identity }
    let record = await identity.record
    if record.uid == uid, record.delivery != nil { return identity }
    if orParent, let parent = record.parent, await own(uid).contains(where: { $0.agent == parent }) { return identity }
    throw refuse("use", "uid \(uid) is neither the agent \(agent) nor its parent", uid, agent: agent)
  }

  func chain(_ agent: String, by uid: UInt32) async throws -> CertMethods.Chain {
    try await find(agent, by: uid, orParent: false, orAdmin: false).currentChain()
  }

  func sign(_ request: CertMethods.Sign, by uid: UInt32) async throws -> CertMethods.Signature {
    guard let data = Data(base64Encoded: request.data), data.count <= 64 << 10 else {
      throw RPCError(.invalidParams, "params.data is Base64 of at most 64 KiB")
    }
    return try await find(request.agent, by: uid, orParent: false, orAdmin: false)
      .sign(Array(data), serial: request.serial)
  }

  func renew(_ agent: String, by uid: UInt32) async throws -> IdentityView {
    try await find(agent, by: uid, orParent: true, orAdmin: true).renew()
  }

  func revoke(_ wanted: CertMethods.Revoke, by uid: UInt32) async throws {
    var reason = RevocationReason.cessationOfOperation
    if let text = wanted.reason {
      guard let found = RevocationReason(name: text) else {
        throw RPCError(
          .invalidParams,
          "params.reason is one of \(RevocationReason.allCases.map(\.name).joined(separator: ", "))")
      }
      reason = found
    }
    let identity = try await find(wanted.agent, by: uid, orParent: true, orAdmin: true)
    tokens.remove(wanted.agent)
    try await identity.end(reason)
  }

  func list(_ names: [String]?) async -> [IdentityView] {
    var views: [IdentityView] = []
    for identity in identities.values {
      let view = await identity.view
      if let names, !names.contains(view.name ?? view.subsystem), !names.contains(view.agent) { continue }
      views.append(view)
    }
    return views.sorted {
      ($0.parent == nil ? 0 : 1, $0.name ?? $0.subsystem, $0.agent) < (
        $1.parent == nil ? 0 : 1, $1.name ?? $1.subsystem, $1.agent
      )
    }
  }

  /// Each change of an identity, after what there is now.
  func watch() async -> AsyncStream<IdentityView> {
    let (stream, continuation) = AsyncStream.makeStream(of: IdentityView.self)
    feed.follow(continuation)
    for view in await list(nil) { continuation.yield(view) }
    return stream
  }

  /// Forgets identities that are over, as they end.
  func followEnds() async {
    for await agent in feed.ends {
      if let uid = identities.removeValue(forKey: agent)?.uid {
        agents[uid]?.remove(agent)
        if agents[uid]?.isEmpty ?? false { agents[uid] = nil }
      }
      tokens.remove(agent)
    }
  }
}
