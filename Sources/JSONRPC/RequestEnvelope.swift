// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// One request of a line, its parts still as bytes.
public struct RequestEnvelope: Sendable {
  /// The id as the caller wrote it, to be answered byte for byte; `nil` marks a notification.
  public var id: [UInt8]?
  public var method: String
  /// The parameters as JSON text; `{}` where there are none.
  public var params: [UInt8]
  /// Milliseconds from now (an extension: plain clients leave it out).
  public var deadline: Int64?

  /// A failure that still knows which id it belongs to.
  public struct Invalid: Error {
    public var id: [UInt8]?
    public var reason: String
  }

  public init(_ text: [UInt8]) throws(Invalid) {
    let outline: JSONScanner.Outline
    do {
      outline = try JSONScanner.outline(of: text)
    } catch {
      throw Invalid(id: nil, reason: error.description)
    }
    try self.init(text, outline: outline)
  }

  init(_ text: [UInt8], outline: JSONScanner.Outline) throws(Invalid) {
    guard case .object(let members) = outline else { throw Invalid(id: nil, reason: "a request is an object") }
    var parts: [String: Range<Int>] = [:]
    for (name, range) in members { parts[name] = range }
    func bytes(_ name: String) -> [UInt8]? { parts[name].map { Array(text[$0]) } }

    let id = bytes("id")
    if let first = id?.first, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
      throw Invalid(id: nil, reason: "an id is a string, a number or null")
    }
    self.id = id
    guard bytes("jsonrpc").map({ $0 == Array("\"2.0\"".utf8) }) == true else {
      throw Invalid(id: id, reason: "\"jsonrpc\" must be \"2.0\"")
    }
    guard let raw = bytes("method"), raw.first == UInt8(ascii: "\""),
      let name = try? JSONCoding.decode(String.self, from: raw)
    else { throw Invalid(id: id, reason: "\"method\" must be a string") }
    method = name
    params = bytes("params") ?? Array("{}".utf8)
    switch params.first {
    case UInt8(ascii: "{"): break
    case UInt8(ascii: "["):
      guard params.dropFirst().allSatisfy({ $0 == 0x20 || $0 == UInt8(ascii: "]") }) else {
        throw Invalid(id: id, reason: "\"params\" must be an object: parameters go by name here")
      }
      params = Array("{}".utf8)
    default: throw Invalid(id: id, reason: "\"params\" must be an object")
    }
    if let raw = bytes("deadline") {
      guard let value = Int64(String(decoding: raw, as: UTF8.self)), value >= 0 else {
        throw Invalid(id: id, reason: "\"deadline\" must be a whole number of milliseconds")
      }
      deadline = value
    }
  }

  // MARK: - Answers

  /// A request as one line without its end; `method` is one of the API's and needs no escapes.
  public static func request(id: Int64, method: String, params: [UInt8], deadline: Int64? = nil) -> [UInt8] {
    let limit = deadline.map { ",\"deadline\":\($0)" } ?? ""
    return Array("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":\"\(method)\"\(limit),\"params\":".utf8) + params
      + Array("}".utf8)
  }

  public static func answer(id: [UInt8], result: [UInt8]) -> [UInt8] {
    Array("{\"jsonrpc\":\"2.0\",\"id\":".utf8) + id + Array(",\"result\":".utf8) + result + Array("}".utf8)
  }

  public static func answer(id: [UInt8]?, error: RPCError) -> [UInt8] {
    let body = (try? JSONCoding.encode(error)) ?? Array("{\"code\":-32603,\"message\":\"internal error\"}".utf8)
    return Array("{\"jsonrpc\":\"2.0\",\"id\":".utf8) + (id ?? Array("null".utf8)) + Array(",\"error\":".utf8) + body
      + Array("}".utf8)
  }
}
