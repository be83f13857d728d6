// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel

/// A client with blocking calls: one request at a time, notifications kept until they are asked for.
///
/// Made for programs that do one thing, such as the command line; not for the agent's daemons.
public final class RPCClient {
  private let socket: SharedDescriptor
  private var buffer: [UInt8] = []
  private var start = 0
  private var nextID: Int64 = 1
  private var notifications: [JSONValue] = []

  /// Connects to a unix socket.
  ///
  /// - Parameter seconds: how long the other end may take to say anything; without it, for ever.
  public init(path: String, seconds: Int? = nil) throws {
    do {
      socket = SharedDescriptor(try UnixSocket.connect(path, seconds: seconds))
    } catch {
      let hint =
        switch error.errno {
        case ENOENT, ECONNREFUSED: "is the agent running? (nodeagent up)"
        case EACCES: "only root and the group nodeagent may connect"
        default: "see nodeagent doctor"
        }
      throw RPCError(.unavailable, "cannot reach \(path): \(SyscallError.words(for: error.errno)): \(hint)")
    }
  }

  /// Talks over a connection that was made already.
  public init(connected socket: SharedDescriptor) { self.socket = socket }

  /// Calls a method and waits for its answer; `deadline` in milliseconds.
  public func call<Params, Result>(_ method: Method<Params, Result>, _ params: Params, deadline: Int64? = nil) throws
    -> Result
  {
    let answer = try call(
      method.name, params: try JSONCoding.decode(JSONValue.self, from: try JSONCoding.encode(params)),
      deadline: deadline)
    return try JSONCoding.decode(Result.self, from: try JSONCoding.encode(answer))
  }

  public func call<Result>(_ method: Method<Empty, Result>, deadline: Int64? = nil) throws -> Result {
    try call(method, Empty(), deadline: deadline)
  }

  /// Calls a method by name.
  public func call(_ method: String, params: JSONValue, deadline: Int64? = nil) throws -> JSONValue {
    let id = nextID
    nextID += 1
    var request: [String: JSONValue] = [
      "jsonrpc": "2.0", "id": .integer(id), "method": .string(method), "params": params,
    ]
    if let deadline { request["deadline"] = .integer(deadline) }
    do {
      try send(try JSONCoding.encode(JSONValue.object(request)))
    } catch let error as SyscallError where error.errno == EPIPE || error.errno == ECONNRESET {
      throw RPCError(.unavailable, "the agent closed the connection before \(method) could be sent")
    }
    while let message = try answer(to: method) {
      guard message["id"] == .integer(id) else {
        if message["method"] != nil { notifications.append(message) }
        if message["id"] == .null, let error = message["error"] { throw try Self.error(error) }
        continue
      }
      if let error = message["error"] { throw try Self.error(error) }
      return message["result"] ?? .null
    }
    throw RPCError(.unavailable, "the agent closed the connection before it answered \(method)")
  }

  /// - Throws: `unavailable` where the other end says nothing for as long as it may take.
  private func answer(to method: String) throws -> JSONValue? {
    do {
      return try receive()
    } catch let error as SyscallError where error.errno == ECONNRESET {
      // It ended with the request unread.
      return nil
    } catch let error as SyscallError where error.errno == EAGAIN {
      throw RPCError(
        .unavailable, "\(method) was not answered in time; does that part of the agent run? (nodeagent subsystem ls)")
    }
  }

  private static func error(_ value: JSONValue) throws -> RPCError {
    try JSONCoding.decode(RPCError.self, from: try JSONCoding.encode(value))
  }

  /// Sends one line as it is.
  public func send(_ line: [UInt8]) throws(SyscallError) { try UnixSocket.send(line + [0x0a], to: socket.raw) }

  /// Starts the events of a topic.
  public func subscribe<Params, Event>(_ topic: Method<Params, Event>, _ params: Params) throws -> String {
    let value = try JSONCoding.decode(JSONValue.self, from: try JSONCoding.encode(params))
    return try call(RPCRouter.subscribe, .init(topic: topic.name, params: value)).subscription
  }

  /// What a subscription delivers.
  public enum Delivery<Event: Sendable>: Sendable {
    case event(Event)
    case dropped(Int64)
    case end(RPCError?)
  }

  /// The next delivery of any subscription on this connection; `nil` at its end.
  public func next<Event: Decodable & Sendable>(_ type: Event.Type) throws -> Delivery<Event>? {
    let message: JSONValue
    if !notifications.isEmpty {
      message = notifications.removeFirst()
    } else {
      guard let received = try receive() else { return nil }
      message = received
    }
    guard let params = message["params"] else { return try next(type) }
    if let count = params["dropped"]?.integerValue { return .dropped(count) }
    if params["end"] == true { return .end(try params["error"].map(Self.error)) }
    guard let event = params["event"] else { return try next(type) }
    return .event(try JSONCoding.decode(type, from: try JSONCoding.encode(event)))
  }

  /// The next line as a value; `nil` at the end.
  public func receive() throws -> JSONValue? {
    try receiveLine().map { try JSONCoding.decode(JSONValue.self, from: $0) }
  }

  /// The next line; `nil` at the end.
  public func receiveLine() throws(SyscallError) -> [UInt8]? {
    var chunk = [UInt8](repeating: 0, count: 65536)
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0a) {
        defer {
          start = end + 1
          if start > 1 << 20 || start == buffer.count {
            buffer.removeFirst(start)
            start = 0
          }
        }
        return Array(buffer[start..<end])
      }
      searched = buffer.count
      let count = try FileSystem.read(socket.raw, into: &chunk, object: "the connection")
      if count == 0 { return nil }
      buffer += chunk[..<count]
    }
  }

  /// Calls a method that switches the connection; the frames follow on the returned socket.
  public func open<Params, Result>(_ method: Method<Params, Result>, _ params: Params) throws -> (Result, FramedSocket)
  {
    let result = try call(method, params)
    // The first frames may have come with the answer.
    return (result, FramedSocket(socket, early: Array(buffer[start...])))
  }

  public var descriptor: Int32 { socket.raw }
}
