// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// What a sub-system is and how it is kept running: the model of a unit file; docs/subsystems.md describes the format.
public struct SubsystemSpec: Codable, Sendable, Hashable {
  /// When it is started.
  public enum Start: String, Sendable, Hashable, SchemaEnumeration {
    /// With the agent.
    case boot
    /// When somebody asks, or another sub-system needs it.
    case demand
    /// When somebody connects to one of its sockets.
    case socket
  }

  /// When it counts as available.
  public enum Readiness: String, Sendable, Hashable, SchemaEnumeration {
    /// As soon as its program runs.
    case started
    /// When it says `READY=1` (sd_notify(3)).
    case notify
    /// When its command has ended with code 0: a task, not a daemon.
    case exited
  }

  /// What to do with one that ended by itself.
  public struct Restart: Codable, Sendable, Hashable {
    public enum Condition: String, Sendable, Hashable, SchemaEnumeration {
      case never, always
      case onFailure = "on-failure"
    }
    public var condition: Condition
    /// The pause before the first restart, in milliseconds; doubled with each failure in a row.
    public var delay: Int64
    public var maximumDelay: Int64
    /// More restarts than this within ``interval`` and it is given up as failed; 0: never.
    public var burst: Int
    /// In milliseconds.
    public var interval: Int64

    public init(
      condition: Condition = .onFailure, delay: Int64 = 100, maximumDelay: Int64 = 30_000, burst: Int = 5,
      interval: Int64 = 60_000
    ) {
      self.condition = condition
      self.delay = delay
      self.maximumDelay = maximumDelay
      self.burst = burst
      self.interval = interval
    }
  }

  /// How it is told to read its configuration again: a signal or a command, or neither.
  public struct Reload: Codable, Sendable, Hashable {
    public var signal: Int32?
    public var command: [String]?
    public init(signal: Int32? = nil, command: [String]? = nil) {
      self.signal = signal
      self.command = command
    }
  }

  /// Of each of its runs.
  public struct Identity: Codable, Sendable, Hashable {
    /// `p256` (usual) or `ed25519`.
    public var key: String?
    /// Of each certificate, in seconds; usually 43200.
    public var life: Int64?
    /// What tells it of its next certificate.
    public var renewal: Reload?
    public init(key: String? = nil, life: Int64? = nil, renewal: Reload? = nil) {
      self.key = key
      self.life = life
      self.renewal = renewal
    }
  }

  public struct Limits: Codable, Sendable, Hashable {
    /// Bytes.
    public var memory: UInt64?
    /// Thousandths of a processor.
    public var cpuMilli: UInt64?
    /// Processes and threads.
    public var pids: UInt64?
    /// Open files of each process.
    public var files: UInt64?
    /// Bytes of a core dump.
    public var core: UInt64?
    public init(
      memory: UInt64? = nil, cpuMilli: UInt64? = nil, pids: UInt64? = nil, files: UInt64? = nil, core: UInt64? = nil
    ) {
      self.memory = memory
      self.cpuMilli = cpuMilli
      self.pids = pids
      self.files = files
      self.core = core
    }
  }

  /// A socket that the agent opens and hands down (sd_listen_fds(3)).
  public struct Socket: Codable, Sendable, Hashable {
    /// As `LISTEN_FDNAMES` tells it.
    public var name: String
    /// `tcp://127.0.0.1:8080`, `udp://[::1]:53` or `unix:///run/web.sock`.
    public var listen: String
    /// Of a unix socket's file.
    public var mode: UInt32
    /// Names or numbers.
    public var user: String?
    public var group: String?
    /// The address need not be the node's yet (ip(7), `IP_FREEBIND`).
    public var early: Bool?
    public init(
      name: String, listen: String, mode: UInt32 = 0o600, user: String? = nil, group: String? = nil, early: Bool? = nil
    ) {
      self.early = early
      self.name = name
      self.listen = listen
      self.mode = mode
      self.user = user
      self.group = group
    }
  }

  public struct Log: Codable, Sendable, Hashable {
    /// Bytes of a segment.
    public var size: UInt64
    /// Segments that are kept.
    public var segments: UInt32
    public init(size: UInt64 = 8 << 20, segments: UInt32 = 4) {
      self.size = size
      self.segments = segments
    }
  }

  public var name: String
  public var about: String?
  /// The program and its arguments; empty for a ``unit``.
  public var command: [String] = []
  /// A unit of systemd that is managed instead of a command.
  public var unit: String?
  public var requires: [String] = []
  public var wants: [String] = []
  public var after: [String] = []
  public var start = Start.boot
  /// A name or a number; root where it is missing.
  public var user: String?
  public var group: String?
  public var directory = "/"
  public var environment: [String: String] = [:]
  /// Names without `CAP_`; `nil`: all that the agent can give to root, none to others.
  public var capabilities: [String]?
  public var readiness = Readiness.started
  /// Milliseconds.
  public var readyTimeout: Int64 = 30_000
  public var stopSignal: Int32 = 15
  /// Milliseconds between the stop signal and the end by force.
  public var stopTimeout: Int64 = 10_000
  public var reload: Reload?
  public var restart = Restart()
  /// Milliseconds within which it has to say `WATCHDOG=1`.
  public var watchdog: Int64?
  public var limits = Limits()
  public var sockets: [Socket] = []
  public var log = Log()
  public var checks: [HealthCheck] = []
  /// An X.509 identity, in a keyring of its processes; `nil`: none.
  public var identity: Identity?

  public init(name: String) { self.name = name }

  /// What has to be available before it is started.
  public var dependencies: [String] { requires + wants + after }
}
