// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// How a method answers.
public enum MethodKind: String, Sendable, Codable {
  /// One request, one answer.
  case call
  /// After the answer the connection carries frames instead of lines; see ``StreamFrame``.
  case stream
  /// Reached by `subscribe`; its events come as notifications.
  case topic
}

/// A method of the API with its types: the server, the client and the OpenRPC document are made from it.
public struct Method<Params: Codable & Sendable, Result: Codable & Sendable>: Sendable {
  public let name: String
  public let kind: MethodKind
  public let role: Role
  public let summary: String
  /// The codes, beside those of every method, that callers should expect.
  public let errors: [RPCError.Code]

  public init(
    _ name: String, kind: MethodKind = .call, role: Role, _ summary: String, errors: [RPCError.Code] = []
  ) {
    self.name = name
    self.kind = kind
    self.role = role
    self.summary = summary
    self.errors = errors
  }

  public var description: MethodDescription {
    MethodDescription(
      name: name, kind: kind, role: role, summary: summary, errors: errors,
      params: Schema.of(Params.self), result: Schema.of(Result.self))
  }
}

/// A method without its types, as the documents show it.
public struct MethodDescription: Sendable {
  public let name: String
  public let kind: MethodKind
  public let role: Role
  public let summary: String
  public let errors: [RPCError.Code]
  public let params: Schema
  public let result: Schema
}

/// Parameters or a result without members.
public struct Empty: Codable, Sendable, Hashable {
  public init() {}
}
