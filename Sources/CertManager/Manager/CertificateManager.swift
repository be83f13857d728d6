// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CertificateProfile
import Foundation
import Glibc
import JSONRPC
import LinuxKernel
import LogStore
import Logging

/// The certificate manager of a node: makes and renews the identities of its agents, and hands them over. Serves `cert.sock` for those who
/// ask, and `redeem.sock` for what the kernel runs when a key is requested.
public final class CertificateManager: Sendable {
  /// Who the agent's own daemons are.
  public struct Daemons: Sendable {
    public var containerController: UInt32
    /// `nil`: there is no gateway.
    public var gateway: UInt32?
    public init(containerController: UInt32, gateway: UInt32?) {
      self.containerController = containerController
      self.gateway = gateway
    }
  }

  /// What a manager's own certificate has to say where the authority is elsewhere: its node's agents have parts of it.
  public static let needed = AgentCapabilities(
    spawn: [AgentCapabilities.any],
    roles: ["cert-manager", "component", "container-controller", "observer"])

  private let instance: Instance
  private let manager: ServiceManager
  private let logger: Logger
  private let issuer: any CertificateIssuer
  private let events = EventLog(source: "cert-manager")
  private let registry: IdentityRegistry

  /// - Parameters:
  ///   - number: of the instance, by which the kernel's upcalls find it.
  ///   - authority: elsewhere; `nil`: this machine's own, which is made where there is none yet.
  public init(
    instance: Instance, number: Int, authority: AuthoritySettings?, manager: ServiceManager, logger: Logger
  ) throws {
    self.instance = instance
    self.manager = manager
    self.logger = logger
    umask(0o077)
    // What is in this memory is nobody else's: no dump of it, and no reading of it but by root.
    ProcessSecrecy.begin()
    if let authority {
      issuer = RemoteIssuer(
        authority, instance: number, directory: instance.certificateState, logger: logger)
    } else {
      issuer = try EmbeddedIssuer(
        directory: "\(instance.certificateState)/ca", application: "nodeagent", node: NodeName.own(), credential: nil,
        logger: logger)
    }
    registry = IdentityRegistry(
      issuer: issuer, files: IdentityFiles(directory: instance.certificateRun), instance: number,
      events: events, logger: logger)
  }

  /// Serves on a listening socket until `end`.
  ///
  /// - Parameter callBack: where the authority looks whether this is who has got the certificate.
  public func run(
    _ listening: SharedDescriptor, callBack: SharedDescriptor?, daemons: Daemons, until end: AsyncStream<Void>
  ) async throws {
    let registry = registry
    let ending = Task { await registry.followEnds() }
    let (readiness, ready) = AsyncStream.makeStream(of: Void.self)
    let issuing = Task { [issuer, logger] in
      await issuer.run {
        do {
          try await registry.load()
          // The first agents of the node; the others descend from them. On other nodes they may look, and change nothing: who has taken
          // over one node has not all.
          try await registry.ensure(
            "node-controller", uid: 0, .init(spawn: [AgentCapabilities.any], roles: ["component", "observer"]))
          try await registry.ensure(
            "container-controller", uid: daemons.containerController,
            .init(spawn: [AgentCapabilities.any], roles: ["component", "container-controller"]))
          if let gateway = daemons.gateway { try await registry.ensure("gateway", uid: gateway, .init()) }
        } catch {
          logger.error("the node's own identities cannot be kept", metadata: ["error": "\(error)"])
        }
        ready.finish()
      }
    }
    // An authority elsewhere may be away for long, and the node has to come up.
    if issuer is EmbeddedIssuer { for await _ in readiness {} }
    if let callBack, let remote = issuer as? RemoteIssuer {
      try await CallBackServer(own: { remote.credential }).start(try callBack.duplicate())
    }
    let redeeming = try RedeemServer(path: instance.redeemSocket, registry: registry, logger: logger)
    try redeeming.start()
    var router = RPCRouter(
      title: APIDocument.certificates.title, summary: APIDocument.certificates.summary, version: AgentVersion.current)
    addMethods(to: &router)
    let server = try RPCServer(
      router: router,
      policy: RolePolicy(
        operatorGIDs: [], gatewayUID: GatewayIdentity(instance: instance).uid), logger: logger)
    try await server.start(try listening.duplicate())
    try manager.ready(status: "\(await registry.count) identities")
    logger.info("available", metadata: ["authority": "\(issuer.name)"])
    let watchdog = Task { [manager, logger, instance] in
      await Watchdog.run(manager, logger: logger) {
        _ = try RPCClient(path: instance.certificateSocket).call(CertMethods.status)
      }
    }
    for await _ in end { break }
    try manager.stopping()
    for task in [watchdog, ending, issuing] { task.cancel() }
    redeeming.stop()
    await server.stop()
  }

  private func addMethods(to router: inout RPCRouter) {
    router.on(CertMethods.request) { [registry] context, wanted in
      try await registry.request(wanted, by: Self.user(context.peer))
    }
    router.on(CertMethods.token) { [registry] context, params in
      try await registry.token(params.agent, by: Self.user(context.peer))
    }
    router.on(CertMethods.redeem) { [registry] context, params in
      try await registry.redeemForSigner(params.token, uid: Self.user(context.peer))
    }
    router.on(CertMethods.chain) { [registry] context, params in
      try await registry.chain(params.agent, by: Self.user(context.peer))
    }
    router.on(CertMethods.sign) { [registry] context, params in
      try await registry.sign(params, by: Self.user(context.peer))
    }
    router.on(CertMethods.renew) { [registry] context, params in
      try await registry.renew(params.agent, by: Self.administrator(context.peer))
    }
    router.on(CertMethods.revoke) { [registry] context, params in
      try await registry.revoke(params, by: Self.administrator(context.peer))
      return Empty()
    }
    router.on(CertMethods.check) { [issuer] _, params in
      guard let serial = Ledger.serial(params.serial) else {
        throw RPCError(.invalidParams, "params.serial is a number in hexadecimal")
      }
      switch try await issuer.state(of: serial) {
      case .good: return .init(state: .good)
      case .revoked: return .init(state: .revoked)
      case .unknown: return .init(state: .unknown)
      }
    }
    router.on(CertMethods.list) { [registry] _, query in await registry.list(query.names) }
    router.on(CertMethods.status) { [self] _, _ in try await status() }
    router.onTopic(CertMethods.watch) { [registry] _, query, sink in
      for await view in await registry.watch() {
        if let names = query.names, !names.contains(view.name ?? view.subsystem) { continue }
        sink.offer(view)
      }
    }
    router.on(EventMethods.list) { [events] _, query in try events.list(EventFilter(query)) }
    router.onTopic(EventMethods.topic) { [events] _, query, sink in
      let filter = try EventFilter(query)
      for await event in try events.stream(filter) where filter.accepts(event) { sink.offer(event) }
    }
  }

  /// Who is at the other end of a connection; nobody of this machine where that is another.
  private static func user(_ peer: Peer) -> UInt32 { peer.remote == nil ? peer.credentials.uid : .max }

  /// The same, with an administrator from elsewhere as good as root.
  private static func administrator(_ peer: Peer) -> UInt32 {
    peer.remote != nil && peer.has(.admin) ? 0 : user(peer)
  }

  private func status() async throws -> CertMethods.Status {
    func limit(_ name: String) -> Int {
      let text = (try? FileSystem.readText("/proc/sys/kernel/keys/\(name)", limit: 32)) ?? ""
      return Int(text.filter(\.isNumber)) ?? 0
    }
    let facts: IssuerFacts?
    var problem: String?
    do {
      facts = try issuer.authority()
    } catch {
      (facts, problem) = (nil, "\(error)")
    }
    return CertMethods.Status(
      authority: issuer.name, problem: problem, application: facts?.application, node: facts?.node,
      root: try facts.map { try AuthorityStore.pem($0.root) }, identities: await registry.count,
      hasNextBoot: issuer.hasNextBoot, upcall: KeyUpcall.problem(), keysPerUser: limit("maxkeys"),
      keyBytesPerUser: limit("maxbytes"))
  }
}
