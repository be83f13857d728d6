// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Dispatch
import LinuxKernel
import Synchronization

/// Asks far file-systems for their room, each in a thread of its own: one whose server is gone keeps that thread, and nobody
/// else, waiting.
final class PatientStat: Sendable {
  private let asked = Mutex<Set<String>>([])

  /// - Returns: `nil` when it has not answered in time, or still does not answer an earlier question.
  func figures(of path: String, within milliseconds: Int = 300) -> FileSystemFigures? {
    guard asked.withLock({ $0.insert(path).inserted }) else { return nil }
    let answer = Answer()
    do {
      try NamedThread.start("statfs") { [self] in
        let figures = FileSystemFigures(of: path)
        answer.figures.withLock { $0 = figures }
        asked.withLock { _ = $0.remove(path) }
        answer.given.signal()
      }
    } catch {
      asked.withLock { _ = $0.remove(path) }
      return nil
    }
    guard answer.given.wait(timeout: .now() + .milliseconds(milliseconds)) == .success else { return nil }
    return answer.figures.withLock { $0 }
  }

  private final class Answer: Sendable {
    let figures = Mutex<FileSystemFigures?>(nil)
    let given = DispatchSemaphore(value: 0)
  }
}
