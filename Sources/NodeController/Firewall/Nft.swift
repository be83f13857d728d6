// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import CNftables
import Glibc
import JSONRPC
import Synchronization

/// nftables through its own library (libnftables(3)): each run is one transaction, all or nothing.
final class Nft: Sendable {
  /// The name that the kernel's notices of changes give for changes by this agent (prctl(2), `PR_SET_NAME`).
  static let threadName = "nodeagent-nft"

  private let running = Mutex(())

  /// - Throws: `kernel refused` with the library's words.
  func run(_ commands: String) throws(RPCError) { _ = try output(commands) }

  /// What a `list` says, with numbers for names.
  ///
  /// - Parameters:
  ///   - isTerse: without the elements of sets.
  ///   - withCounters: with what counters have counted.
  func output(_ commands: String, isTerse: Bool = false, withCounters: Bool = false) throws(RPCError) -> String {
    let result: Result<String, RPCError> = running.withLock { _ in
      guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
        return .failure(RPCError(.internalError, "nft: out of memory"))
      }
      defer { nft_ctx_free(context) }
      nft_ctx_buffer_output(context)
      nft_ctx_buffer_error(context)
      var flags = UInt32(NFT_CTX_OUTPUT_NUMERIC_ALL)
      if !withCounters { flags |= UInt32(NFT_CTX_OUTPUT_STATELESS) }
      if isTerse { flags |= UInt32(NFT_CTX_OUTPUT_TERSE) }
      nft_ctx_output_set_flags(context, flags)
      guard Self.named({ nft_run_cmd_from_buffer(context, commands) }) == 0 else {
        let problem = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? "no reason given"
        return .failure(
          RPCError(.kernelRefused, "nft refused \"\(commands.prefix(80))\": \(problem.prefix(400))"))
      }
      return .success(nft_ctx_get_output_buffer(context).map { String(cString: $0) } ?? "")
    }
    return try result.get()
  }

  /// Runs `body` under a name by which the kernel's notices tell whose change it was.
  private static func named(_ body: () -> Int32) -> Int32 {
    var before = [CChar](repeating: 0, count: 16)
    cl_thread_name(&before)
    cl_set_thread_name(threadName)
    defer { cl_set_thread_name(before) }
    return body()
  }
}
