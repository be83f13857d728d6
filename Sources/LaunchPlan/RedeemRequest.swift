// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What the program that the kernel has started for a key asks the certificate manager, one packet on `redeem.sock`.
///
/// The answer is one packet, too; `cl_instantiate_from` describes it.
public struct RedeemRequest: Sendable, Equatable {
  /// Of the process that asked for the key, as the kernel told it.
  public var uid: UInt32
  public var token: String

  public init(uid: UInt32, token: String) {
    self.uid = uid
    self.token = token
  }

  private static let version: UInt64 = 1

  public func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.version)
    writer.write(UInt64(uid))
    writer.write(token)
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(DecodingFailure) {
    var reader = ByteReader(bytes)
    guard try reader.readNumber() == Self.version else { throw reader.failure("not a request of this version") }
    uid = try reader.readNumber(as: UInt32.self)
    token = try reader.readString()
    try reader.expectEnd()
  }

  /// The bytes before a payload or a reason in an answer.
  public static let headerSize = 8

  /// - Parameters:
  ///   - errno: 0 for a payload.
  ///   - seconds: that the key is good.
  public static func header(errno: Int32, seconds: UInt32) -> [UInt8] {
    let number = errno == 0 ? seconds : UInt32(bitPattern: errno)
    return [errno == 0 ? 0 : 1, 0, 0, 0] + withUnsafeBytes(of: number) { Array($0) }
  }
}
