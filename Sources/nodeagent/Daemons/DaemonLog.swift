// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Foundation
import Logging

/// The daemons' log: lines on stderr, which `up` sends to a file and systemd to the journal.
enum DaemonLog {
  static func make(_ label: String) -> Logger {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var logger = Logger(label: label)
    logger.logLevel =
      ProcessInfo.processInfo.environment["NODEAGENT_LOG"].flatMap(Logger.Level.init(rawValue:)) ?? .info
    return logger
  }
}
