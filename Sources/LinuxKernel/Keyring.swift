// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// The kernel's key retention service (keyrings(7)), as far as identities need it.
public enum Keyring {
  /// A key or a keyring by its number.
  public typealias Serial = Int32

  /// The calling process's session keyring.
  public static let session: Serial = CL_KEY_SPEC_SESSION_KEYRING
  /// The keyring of the process's user.
  public static let user: Serial = CL_KEY_SPEC_USER_KEYRING

  /// What may be done with a key, by whom (keyctl_setperm(3)).
  public struct Permissions: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The same, and writing.
    public static let possessorUpdates = Permissions(rawValue: 0x3f00_0000)
    /// Whoever has the key in a keyring of its own may look at it, read it, find it, and link it; nobody else may do anything.
    public static let possessorReads = Permissions(rawValue: 0x1b00_0000)
    /// Of a keyring: its owner may see what is in it and put keys there or take them away, which does not let him read them.
    public static let ownerChanges = Permissions(rawValue: 0x3f07_0000)
  }

  /// Gives the process an empty session keyring without a name, which its children inherit.
  @discardableResult
  public static func joinSession() throws(SyscallError) -> Serial {
    Serial(
      try check(cl_keyctl(CL_KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0), "keyctl(JOIN_SESSION_KEYRING)", "this process"))
  }

  /// Makes a keyring in another.
  public static func make(_ name: String, in ring: Serial) throws(SyscallError) -> Serial {
    Serial(try check(cl_add_key("keyring", name, nil, 0, ring), "add_key", name))
  }

  /// Finds a key of the type `user`, or has it made by `/sbin/request-key` (request_key(2)), and links it to `ring`.
  /// Waits for that program.
  public static func request(_ description: String, into ring: Serial) throws(SyscallError) -> Serial {
    Serial(try check(cl_request_key("user", description, "", ring), "request_key", "the identity"))
  }

  /// Makes a key of the type `user`, or gives the one of that name another payload.
  public static func add(_ description: String, _ payload: LockedBytes, to ring: Serial) throws(SyscallError) -> Serial
  {
    let result = payload.withBytes { cl_add_key("user", description, $0.baseAddress, $0.count, ring) }
    return Serial(try check(result, "add_key", description))
  }

  /// - Returns: `nil` where there is none, or none that is good any more.
  public static func find(_ description: String, in ring: Serial) throws(SyscallError) -> Serial? {
    let result = "user".withCString { type in
      description.withCString {
        cl_keyctl(CL_KEYCTL_SEARCH, bits(ring), UInt(bitPattern: type), UInt(bitPattern: $0), 0)
      }
    }
    if [-Int64(ENOKEY), -Int64(EKEYEXPIRED), -Int64(EKEYREVOKED)].contains(result) { return nil }
    return Serial(try check(result, "keyctl(SEARCH)", description))
  }

  /// - Throws: `EMSGSIZE` for a payload of more bytes.
  public static func read(_ key: Serial, most: Int) throws -> LockedBytes {
    var count = 0
    let whole = try LockedBytes(count: most) { buffer in
      count = Int(
        try check(
          cl_keyctl(CL_KEYCTL_READ, bits(key), UInt(bitPattern: buffer.baseAddress), UInt(buffer.count), 0),
          "keyctl(READ)", "key \(key)"))
    }
    guard count <= most else { throw SyscallError(call: "keyctl(READ)", object: "key \(key)", errno: EMSGSIZE) }
    return try LockedBytes(count: count) { copy in
      whole.withBytes { copy.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
  }

  /// What is in a keyring (keyctl_read(3)).
  public static func list(_ ring: Serial) throws(SyscallError) -> [Serial] {
    var keys = [Serial](repeating: 0, count: 256)
    let bytes = keys.withUnsafeMutableBytes {
      cl_keyctl(CL_KEYCTL_READ, bits(ring), UInt(bitPattern: $0.baseAddress), UInt($0.count), 0)
    }
    try check(bytes, "keyctl(READ)", "keyring \(ring)")
    return Array(keys.prefix(Int(bytes) / MemoryLayout<Serial>.size))
  }

  public static func link(_ key: Serial, to ring: Serial) throws(SyscallError) {
    try check(cl_keyctl(CL_KEYCTL_LINK, bits(key), bits(ring), 0, 0), "keyctl(LINK)", "key \(key)")
  }

  public static func setTimeout(_ seconds: UInt32, of key: Serial) throws(SyscallError) {
    try check(cl_keyctl(CL_KEYCTL_SET_TIMEOUT, bits(key), UInt(seconds), 0, 0), "keyctl(SET_TIMEOUT)", "key \(key)")
  }

  public static func unlink(_ key: Serial, from ring: Serial) throws(SyscallError) {
    try check(cl_keyctl(CL_KEYCTL_UNLINK, bits(key), bits(ring), 0, 0), "keyctl(UNLINK)", "key \(key)")
  }

  public static func set(_ permissions: Permissions, of key: Serial) throws(SyscallError) {
    try check(
      cl_keyctl(CL_KEYCTL_SETPERM, bits(key), UInt(permissions.rawValue), 0, 0), "keyctl(SETPERM)", "key \(key)")
  }

  /// Makes this process the one that instantiates a key which is being requested (keyctl_assume_authority(3)).
  public static func assumeAuthority(over key: Serial) throws(SyscallError) {
    try check(
      cl_keyctl(CL_KEYCTL_ASSUME_AUTHORITY, bits(key), 0, 0, 0), "keyctl(ASSUME_AUTHORITY)", "key \(key)")
  }

  /// Ends a request with an error for whoever waits for the key.
  ///
  /// - Parameter seconds: how long the next request gets the same answer without anybody being asked.
  public static func reject(_ key: Serial, errno: Int32, seconds: UInt32) throws(SyscallError) {
    try check(
      cl_keyctl(CL_KEYCTL_REJECT, bits(key), UInt(seconds), UInt(errno), 0), "keyctl(REJECT)", "key \(key)")
  }

  /// `user;UID;GID;PERMISSIONS;DESCRIPTION` (keyctl_describe(3)).
  public static func describe(_ key: Serial) throws(SyscallError) -> String {
    var buffer = [UInt8](repeating: 0, count: 4200)
    let count = buffer.withUnsafeMutableBytes {
      cl_keyctl(CL_KEYCTL_DESCRIBE, bits(key), UInt(bitPattern: $0.baseAddress), UInt($0.count), 0)
    }
    try check(count, "keyctl(DESCRIBE)", "key \(key)")
    return String(decoding: buffer.prefix(min(Int(count), buffer.count)).prefix { $0 != 0 }, as: UTF8.self)
  }

  private static func bits(_ key: Serial) -> UInt { UInt(bitPattern: Int(key)) }
}
