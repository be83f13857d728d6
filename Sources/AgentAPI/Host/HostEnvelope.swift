// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// A host call before its parameters are known.
public struct HostRequest: Codable, Sendable {
  public var jsonrpc: String
  public var id: Int64
  public var method: String
  public var params: JSONValue
  public init(id: Int64, method: String, params: JSONValue) {
    jsonrpc = "2.0"
    self.id = id
    self.method = method
    self.params = params
  }
}

/// The answer to a host call.
public struct HostResponse: Codable, Sendable {
  public var jsonrpc: String
  public var id: Int64
  public var result: JSONValue?
  public var error: RPCError?
  public init(id: Int64, result: JSONValue? = nil, error: RPCError? = nil) {
    jsonrpc = "2.0"
    self.id = id
    self.result = result
    self.error = error
  }
}
