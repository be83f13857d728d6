// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc
import LaunchPlan
import LinuxKernel

/// What `/sbin/request-key` runs for a key that is an identity: asks the certificate manager, and instantiates the key.
///
/// The kernel starts it as root, on behalf of whoever asked for the key: of that it reads the key's description and nothing
/// else, takes from it a number and checks the rest, and has no capability left when it talks to the manager.
public enum KeyRequest {
  private struct Problem: Error {
    var errno: Int32
    var text: String
  }

  private static let claims = "/run/lock/nodeagent"
  /// The manager answers sooner, with a reason.
  private static let patience = 40
  /// In seconds; far longer than the end of this program takes on a busy machine.
  private static let refusalLife: UInt32 = 10

  /// - Parameter arguments: the key's number, and the uid of the process that asked for it.
  /// - Returns: the exit code.
  public static func run(_ arguments: [String]) -> Int32 {
    cl_prctl(CL_PR_SET_DUMPABLE, 0, 0, 0, 0)
    guard arguments.count == 2, let key = Int32(arguments[0]), let uid = UInt32(arguments[1]) else {
      return complain("request-key KEY UID is for /sbin/request-key, which the kernel runs")
    }
    do {
      try Keyring.assumeAuthority(over: key)
    } catch {
      return complain("\(error): only the kernel can ask for this")
    }
    do {
      try answer(key, uid)
      return 0
    } catch let problem as Problem {
      return reject(key, problem.errno, problem.text)
    } catch let error as SyscallError {
      return reject(key, error.errno, "\(error)")
    } catch {
      return reject(key, ENOKEY, "\(error)")
    }
  }

  private static func answer(_ key: Keyring.Serial, _ uid: UInt32) throws {
    let fields = try Keyring.describe(key).split(separator: ";", maxSplits: 4, omittingEmptySubsequences: false)
    guard fields.count == 5, fields[0] == "user", let token = IdentityToken(keyDescription: String(fields[4])) else {
      throw Problem(errno: EKEYREJECTED, text: "the key is no identity's")
    }
    let path = try socket(of: token.instance)
    try Keyring.set(.possessorReads, of: key)
    let socket = try UnixSocket.connect(path, kind: .seqpacket, seconds: patience)
    let dropped = cl_capset(0, 0, 0)
    guard dropped >= 0 else { throw SyscallError(call: "capset", object: "this process", errno: -dropped) }
    try UnixSocket.send(RedeemRequest(uid: uid, token: token.text).encoded(), to: socket.raw)
    var text = [CChar](repeating: 0, count: 256)
    let result = cl_instantiate_from(socket.raw, key, &text, text.count)
    guard result >= 0 else {
      let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw Problem(errno: -result, text: words.isEmpty ? SyscallError.words(for: -result) : words)
    }
  }

  /// Where the instance with a number has its manager. Only root's word counts.
  private static func socket(of instance: Int) throws -> String {
    for path in [claims, "\(claims)/\(instance)"] {
      let status = try FileSystem.status(of: path)
      guard status.uid == 0, status.mode & 0o022 == 0 else {
        throw Problem(errno: EACCES, text: "\(path) is not root's alone")
      }
    }
    let text = try FileSystem.readText("\(claims)/\(instance)", limit: 4096)
    guard let root = text.split(separator: "\n").first, root.hasPrefix("/") else {
      throw Problem(errno: ENOENT, text: "no agent has the number \(instance)")
    }
    return "\(root == "/" ? "" : root)/run/nodeagent/cert/redeem.sock"
  }

  private static func reject(_ key: Keyring.Serial, _ errno: Int32, _ text: String) -> Int32 {
    _ = complain(text)
    // Whoever asks again shall be heard. Not at once: when this program is still there as the refusal ends, the kernel tells the
    // requester that there is no key (call_sbin_request_key), and the reason is lost.
    try? Keyring.reject(key, errno: errno, seconds: refusalLife)
    return 1
  }

  private static func complain(_ text: String) -> Int32 {
    let line = "nodeagent request-key: \(text)\n"
    _ = line.withCString { write(2, $0, strlen($0)) }
    return 64
  }
}
