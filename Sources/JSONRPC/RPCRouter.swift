// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel
import Logging

/// What a handler knows of the request it serves.
public struct RPCContext: Sendable {
  public let peer: Peer
  /// Ties log lines, events and errors of one request together.
  public let correlationID: String
}

/// Takes over a connection after the answer was written.
public typealias StreamBody = @Sendable (FramedSocket) async -> Void

/// The methods of a server. Built once, then only read.
public struct RPCRouter: Sendable {
  enum Handler: Sendable {
    case call(@Sendable (RPCContext, [UInt8]) async throws -> [UInt8])
    case stream(@Sendable (RPCContext, [UInt8]) async throws -> (result: [UInt8], body: StreamBody))
    case topic(@Sendable (RPCContext, [UInt8], EventSink) async throws -> Void)
  }

  struct Entry: Sendable {
    let description: MethodDescription
    let handler: Handler
    let allowed: Set<String>
  }

  private(set) var entries: [String: Entry] = [:]
  let title: String
  let summary: String
  let version: String

  public init(title: String, summary: String, version: String) {
    self.title = title
    self.summary = summary
    self.version = version
    for description in Self.builtIn {
      entries[description.name] = Entry(
        description: description, handler: .call { _, _ in [] }, allowed: Set(description.params.properties.map(\.name))
      )
    }
  }

  private mutating func add(_ description: MethodDescription, _ handler: Handler) {
    precondition(entries[description.name] == nil, "method \(description.name) registered twice")
    entries[description.name] = Entry(
      description: description, handler: handler, allowed: Set(description.params.properties.map(\.name)))
  }

  public mutating func on<Params, Result>(
    _ method: Method<Params, Result>, _ body: @escaping @Sendable (RPCContext, Params) async throws -> Result
  ) {
    add(
      method.description,
      .call { context, bytes in
        try JSONCoding.encode(try await body(context, try Self.decode(Params.self, bytes)))
      })
  }

  public mutating func onStream<Params, Result>(
    _ method: Method<Params, Result>,
    _ body: @escaping @Sendable (RPCContext, Params) async throws -> (Result, StreamBody)
  ) {
    add(
      method.description,
      .stream { context, bytes in
        let (result, stream) = try await body(context, try Self.decode(Params.self, bytes))
        return (try JSONCoding.encode(result), stream)
      })
  }

  /// A topic ends when its handler returns.
  public mutating func onTopic<Params, Event>(
    _ method: Method<Params, Event>, _ body: @escaping @Sendable (RPCContext, Params, EventSink) async throws -> Void
  ) {
    add(
      method.description,
      .topic { context, bytes, sink in try await body(context, try Self.decode(Params.self, bytes), sink) })
  }

  private static func decode<Params: Decodable>(_ type: Params.Type, _ bytes: [UInt8]) throws -> Params {
    do {
      return try JSONCoding.decode(type, from: bytes)
    } catch let error as DecodingError {
      throw RPCError(.invalidParams, explain(error))
    }
  }

  /// A decoding error as a sentence with the path of the member.
  static func explain(_ error: DecodingError) -> String {
    func path(_ keys: [any CodingKey]) -> String {
      keys.reduce("params") { path, key in key.intValue.map { "\(path)[\($0)]" } ?? "\(path).\(key.stringValue)" }
    }
    func joined(_ context: DecodingError.Context) -> String { path(context.codingPath) }
    switch error {
    case .keyNotFound(let key, let context): return "\(path(context.codingPath + [key])) is missing"
    case .valueNotFound(_, let context): return "\(joined(context)) is null or missing"
    case .typeMismatch(let type, let context): return "\(joined(context)) is not of the type \(type)"
    case .dataCorrupted(let context): return "\(joined(context)): \(context.debugDescription)"
    @unknown default: return "the parameters do not fit"
    }
  }

  /// Refuses members that the method does not know: a misspelt one would otherwise silently do nothing.
  static func check(_ params: [UInt8], _ entry: Entry) throws {
    guard case .object(let members) = try JSONScanner.outline(of: params) else { return }
    for (name, _) in members where !entry.allowed.contains(name) {
      let list = entry.allowed.sorted().joined(separator: ", ")
      throw RPCError(
        .invalidParams,
        "params.\(name) is unknown; \(entry.description.name) takes \(list.isEmpty ? "no parameters" : list)")
    }
  }

  // MARK: - Methods of every server

  public struct Subscribe: Codable, Sendable {
    public var topic: String
    public var params: JSONValue?
    public init(topic: String, params: JSONValue? = nil) {
      self.topic = topic
      self.params = params
    }
  }

  public struct Subscription: Codable, Sendable {
    public var subscription: String
    public init(subscription: String) { self.subscription = subscription }
  }

  public static let discover = Method<Empty, JSONValue>(
    "rpc.discover", role: .observer, "The OpenRPC document of this server.")
  public static let subscribe = Method<Subscribe, Subscription>(
    "subscribe", role: .observer,
    "Starts the events of a topic; they come as notifications \"event\" with the subscription's id. A subscriber that reads too slowly is sent \"dropped\" with the number of events that it missed.",
    errors: [.notFound])
  public static let unsubscribe = Method<Subscription, Empty>(
    "unsubscribe", role: .observer, "Ends a subscription of this connection.", errors: [.notFound])

  public static let assume = Method<RemotePeer, Empty>(
    "peer.assume", role: .gateway,
    "The gateway's first request on a connection: from then on it is that of a caller on another machine, with the roles of his certificate.",
    errors: [.permissionDenied])

  /// The methods of every server.
  public static let builtIn = [
    discover.description, subscribe.description, unsubscribe.description, assume.description,
  ]

  public var descriptions: [MethodDescription] { entries.values.map(\.description) }

  public var openRPC: JSONValue {
    OpenRPC.document(title: title, summary: summary, version: version, methods: descriptions)
  }
}
