// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation

/// An error as it travels: a stable code for programs, a sentence for people, data for both.
public struct RPCError: Error, Sendable, Hashable, Codable, CustomStringConvertible, LocalizedError {
  /// The codes of JSON-RPC 2.0 and the agent's own, which are positive and never change their meaning.
  public struct Code: RawRepresentable, Sendable, Hashable, Codable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    public static let parseError = Code(rawValue: -32700)
    public static let invalidRequest = Code(rawValue: -32600)
    public static let methodNotFound = Code(rawValue: -32601)
    public static let invalidParams = Code(rawValue: -32602)
    public static let internalError = Code(rawValue: -32603)

    public static let permissionDenied = Code(rawValue: 1001)
    public static let deadlineExceeded = Code(rawValue: 1002)
    public static let lineTooLong = Code(rawValue: 1003)
    public static let busy = Code(rawValue: 1004)
    public static let notFound = Code(rawValue: 1005)
    public static let alreadyExists = Code(rawValue: 1006)
    public static let wrongState = Code(rawValue: 1007)
    public static let invalidBundle = Code(rawValue: 1008)
    public static let noSpace = Code(rawValue: 1009)
    public static let kernelRefused = Code(rawValue: 1010)
    public static let unavailable = Code(rawValue: 1011)
    public static let startFailed = Code(rawValue: 1012)
    public static let cancelled = Code(rawValue: 1013)

    /// The code's name and meaning, for the documents.
    public static let all: [(code: Code, name: String, meaning: String)] = [
      (.parseError, "parse error", "The line is not JSON, or JSON that two readers could take differently."),
      (.invalidRequest, "invalid request", "The JSON is not a request."),
      (.methodNotFound, "method not found", "There is no such method here."),
      (.invalidParams, "invalid params", "The parameters do not fit the method."),
      (.internalError, "internal error", "A defect of the agent; the log has the details."),
      (.permissionDenied, "permission denied", "The caller lacks the role that the method needs."),
      (.deadlineExceeded, "deadline exceeded", "The request's deadline passed first."),
      (.lineTooLong, "line too long", "The request is longer than the server takes."),
      (.busy, "busy", "The server is at a limit; try again later."),
      (.notFound, "not found", "The named thing does not exist."),
      (.alreadyExists, "already exists", "The name is taken."),
      (.wrongState, "wrong state", "The thing is not in a state that allows this."),
      (.invalidBundle, "invalid bundle", "The archive or its descriptor is not acceptable."),
      (.noSpace, "no space", "A disk, an id range or another supply is used up."),
      (.kernelRefused, "kernel refused", "A system call failed; the message names it."),
      (.unavailable, "unavailable", "Another part of the agent does not answer."),
      (.startFailed, "start failed", "The container or process could not be started."),
      (.cancelled, "cancelled", "The operation was given up."),
    ]
  }

  public var code: Code
  public var message: String
  public var data: JSONValue?

  public init(_ code: Code, _ message: String, data: JSONValue? = nil) {
    self.code = code
    self.message = message
    self.data = data
  }

  public var description: String { message }
  public var errorDescription: String? { message }
}
