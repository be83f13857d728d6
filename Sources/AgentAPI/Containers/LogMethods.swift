// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// Which events of a container's log to show.
public struct LogQuery: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var last: Int?
  public var since: String?
  public var until: String?
  public var stream: String?
  public var grep: String?
  /// For the topic: go on when the end is reached.
  public var follow: Bool?

  public init(
    name: String, last: Int? = nil, since: String? = nil, until: String? = nil, stream: String? = nil,
    grep: String? = nil, follow: Bool? = nil
  ) {
    self.name = name
    self.last = last
    self.since = since
    self.until = until
    self.stream = stream
    self.grep = grep
    self.follow = follow
  }

  public static let memberSummaries = [
    "last": "only so many of the last events that fit", "since": "RFC 3339, or a duration before now such as 10m",
    "until": "RFC 3339, or a duration before now", "stream": "stdout, stderr or harness",
    "grep": "only events whose text contains this", "follow": "go on when the end is reached",
  ]
}

/// One event of a container's log.
public struct LogEntry: Codable, Sendable, Hashable, SchemaDocumented {
  /// RFC 3339 with microseconds.
  public var time: String
  public var stream: String
  /// The text without its line end; bytes that are no UTF-8 are replaced, and stand in ``base64``.
  public var text: String
  public var base64: String?
  /// The line goes on in the next event.
  public var partial: Bool?

  public init(time: String, stream: String, text: String, base64: String? = nil, partial: Bool? = nil) {
    self.time = time
    self.stream = stream
    self.text = text
    self.base64 = base64
    self.partial = partial
  }

  public static let memberSummaries = [
    "text": "without its line end; bytes that are no UTF-8 are replaced", "base64": "the bytes, when they are no UTF-8",
    "partial": "the line goes on in the next event",
  ]
}

public enum LogMethods {
  /// Bounded by the server: at most 10,000 events and 8 MiB of text an answer.
  public static let read = Method<LogQuery, [LogEntry]>(
    "container.logs", role: .observer, "The last events of a container's log, at most 10000 and 8 MiB of text.",
    errors: [.notFound, .invalidParams])
  public static let topic = Method<LogQuery, LogEntry>(
    "logs", kind: .topic, role: .observer, "A container's log from the first event that fits, and as it grows.",
    errors: [.notFound, .invalidParams])
}
