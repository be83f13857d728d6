// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC
import LinuxKernel
import Synchronization

/// A process that `exec` asked for, between the request and its end.
final class ExecStart: Sendable {
  private enum Progress {
    case asked
    case waiting(CheckedContinuation<SharedDescriptor?, any Error>)
    case started(SharedDescriptor?)
    case failed(RPCError)
    case over
  }

  private let progress = Mutex(Progress.asked)
  private let end = Mutex<ExitStatus?>(nil)
  private let endPipe: Pipe

  init() throws(SyscallError) { endPipe = try Pipe() }

  /// Becomes readable when the process has ended.
  var endDescriptor: Int32 { endPipe.reading.raw }
  var status: ExitStatus? { end.withLock { $0 } }

  /// Waits for PID 1's answer: the terminal's master where one was asked for.
  func untilStarted() async throws -> SharedDescriptor? {
    try await withCheckedThrowingContinuation { continuation in
      let now: Progress = progress.withLock { progress in
        if case .asked = progress {
          progress = .waiting(continuation)
          return .asked
        }
        defer { progress = .over }
        return progress
      }
      switch now {
      case .started(let descriptor): continuation.resume(returning: descriptor)
      case .failed(let error): continuation.resume(throwing: error)
      case .over: continuation.resume(throwing: RPCError(.internalError, "asked twice"))
      case .asked, .waiting: break
      }
    }
  }

  func started(_ descriptor: SharedDescriptor?) { settle(.success(descriptor)) }
  func failed(_ error: RPCError) { settle(.failure(error)) }

  private func settle(_ result: Result<SharedDescriptor?, RPCError>) {
    let waiter: CheckedContinuation<SharedDescriptor?, any Error>? = progress.withLock { progress in
      switch progress {
      case .waiting(let continuation):
        progress = .over
        return continuation
      case .asked:
        switch result {
        case .success(let descriptor): progress = .started(descriptor)
        case .failure(let error): progress = .failed(error)
        }
        return nil
      default: return nil
      }
    }
    waiter?.resume(with: result.mapError { $0 as any Error })
  }

  func exited(_ status: ExitStatus) {
    failed(RPCError(.startFailed, "the container ended first"))
    end.withLock { $0 = $0 ?? status }
    // One byte in an empty pipe never waits.
    try? FileSystem.write([1], to: endPipe.writing.raw)
  }
}
