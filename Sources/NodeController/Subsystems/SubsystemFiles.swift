// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LaunchPlan
import LinuxKernel

/// The files of one sub-system: its log and the end of its last run, and what only lives until a reboot.
struct SubsystemFiles: Sendable {
  let name: String
  private let instance: Instance
  private let keeper: KeeperIdentity

  init(name: String, instance: Instance, keeper: KeeperIdentity) {
    self.name = name
    self.instance = instance
    self.keeper = keeper
  }

  /// The log and the exit record: the keeper's.
  var state: String { "\(instance.subsystemState)/\(name)" }
  /// The sockets and the record: root's.
  private var run: String { "\(instance.subsystemRun)/\(name)" }
  var control: String { "\(run)/control.sock" }
  private var recordFile: String { "\(run)/record.json" }

  /// What the next node controller has to know.
  struct Record: Codable, Sendable {
    /// What it was started by; `nil` when another version of the agent wrote it in a way that this one does not read.
    var spec: SubsystemSpec?
    /// Of this run.
    var keeper: Int32
    /// Of the keeper (proc(5), field 22), which with the pid names it for ever.
    var keeperStart: UInt64
    /// The workload's; 0 while there is none that anybody knows of, though one is wanted.
    var pid: Int32
    /// Nanoseconds of the monotonic clock.
    var started: UInt64
    /// The address of each socket that it was handed, in their order.
    var sockets: [String]
    /// The agent's id in its identity, and the keyring that has that.
    var agent: String?
    var ring: Int32?

    init(
      spec: SubsystemSpec?, keeper: Int32, keeperStart: UInt64, pid: Int32, started: UInt64,
      sockets: [String]
    ) {
      self.spec = spec
      self.keeper = keeper
      self.keeperStart = keeperStart
      self.pid = pid
      self.started = started
      self.sockets = sockets
    }

    var identity: (agent: String, ring: Keyring.Serial)? {
      guard let agent, let ring else { return nil }
      return (agent, ring)
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      spec = try? container.decode(SubsystemSpec.self, forKey: .spec)
      keeper = try container.decode(Int32.self, forKey: .keeper)
      keeperStart = try container.decode(UInt64.self, forKey: .keeperStart)
      pid = try container.decode(Int32.self, forKey: .pid)
      started = try container.decode(UInt64.self, forKey: .started)
      sockets = try container.decode([String].self, forKey: .sockets)
      agent = try container.decodeIfPresent(String.self, forKey: .agent)
      ring = try container.decodeIfPresent(Int32.self, forKey: .ring)
    }
  }

  func prepare() throws(SyscallError) {
    for directory in [instance.subsystemState, instance.subsystemRun] {
      try FileSystem.makeDirectory(directory, mode: 0o755)
    }
    try FileSystem.makeDirectory(state, mode: 0o750)
    try FileSystem.owner(state, uid: keeper.uid, gid: keeper.gid)
    try FileSystem.makeDirectory(run, mode: 0o700)
    // How an earlier run ended must not be taken for the end of this one.
    try FileSystem.remove("\(state)/\(ExitRecord.fileName)")
  }

  /// The descriptors that go with a plan: the state directory, the control socket and the notification socket, with
  /// the latter's name.
  ///
  /// An abstract name, because a path may be longer than a socket's address can be; with a number that nobody can guess,
  /// so that nobody else can take it first.
  func descriptors() throws(SyscallError) -> (descriptors: [SharedDescriptor], notify: String) {
    let state = SharedDescriptor(try FileSystem.open(state, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    let control = SharedDescriptor(try UnixSocket.listen(control, kind: .seqpacket, mode: 0o600, backlog: 8))
    let name = "@nodeagent/\(UInt64.random(in: 0 ... .max))"
    let notify = SharedDescriptor(try UnixSocket.bind(abstract: name, kind: .datagram))
    try Descriptor.setNonblocking(notify.raw, true)
    try UnixSocket.passCredentials(notify.raw)
    return ([state, control, notify], name)
  }

  func write(_ record: Record) throws {
    try FileSystem.replace(recordFile, with: try JSONCoding.encode(record), mode: 0o600)
  }

  /// `nil` where there is none, or one of a version that is not understood.
  func record() -> Record? {
    (try? FileSystem.read(recordFile)).flatMap { try? JSONCoding.decode(Record.self, from: $0) }
  }

  /// How the last run ended; the keeper wrote it.
  func exit() -> ExitRecord? {
    (try? FileSystem.readText("\(state)/\(ExitRecord.fileName)", limit: 256)).flatMap(ExitRecord.init(text:))
  }

  /// There is no run now, and there is to be one again.
  func recordWanted() throws {
    guard var record = record() else { return }
    record.pid = 0
    try write(record)
  }

  /// There is no run now, and none is wanted.
  func forgetRecord() throws(SyscallError) { try FileSystem.remove(recordFile) }

  func forgetRun() throws(SyscallError) { try FileSystem.removeTree(run) }

  /// The names of those that an earlier node controller knew.
  static func known(_ instance: Instance) -> [String] {
    ((try? FileSystem.names(in: instance.subsystemRun)) ?? []).sorted()
  }
}
