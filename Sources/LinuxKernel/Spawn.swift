// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import CLinux
import Glibc

/// A process to be started by `clone3(2)` and `execveat(2)`; see `cl_spawn` for the order of its steps.
public struct SpawnRequest: Sendable {
  /// Which namespaces are new (`CL_NEW*`).
  public struct Namespaces: OptionSet, Sendable, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public static let user = Namespaces(rawValue: CL_NEWUSER)
    public static let pid = Namespaces(rawValue: CL_NEWPID)
    public static let mount = Namespaces(rawValue: CL_NEWNS)
    public static let uts = Namespaces(rawValue: CL_NEWUTS)
    public static let ipc = Namespaces(rawValue: CL_NEWIPC)
    public static let network = Namespaces(rawValue: CL_NEWNET)
    public static let cgroup = Namespaces(rawValue: CL_NEWCGROUP)
  }

  public enum Executable: Sendable {
    case path(String)
    /// A borrowed descriptor.
    case descriptor(SharedDescriptor)
    /// None: the child holds its namespaces until the gate closes.
    case pause
  }

  public struct Identity: Sendable, Equatable {
    public var uid: UInt32
    public var gid: UInt32
    public var groups: [UInt32]
    public init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
      self.uid = uid
      self.gid = gid
      self.groups = groups
    }
  }

  public struct Capabilities: Sendable, Equatable {
    public var bounding: UInt64
    public var permitted: UInt64
    public var ambient: UInt64
    public init(bounding: UInt64, permitted: UInt64, ambient: UInt64) {
      self.bounding = bounding
      self.permitted = permitted
      self.ambient = ambient
    }
    public static let none = Capabilities(bounding: 0, permitted: 0, ambient: 0)
  }

  public var executable: Executable
  public var arguments: [String]
  public var environment: [String]
  /// Descriptors of the caller by the number that the child sees; all others are closed.
  public var descriptors: [(from: SharedDescriptor, to: Int32)] = []
  public var namespaces: Namespaces = []
  public var cgroup: Int32 = -1
  /// The child starts when one byte can be read here, and ends when it closes.
  public var gate: SharedDescriptor?
  public var newSession = false
  public var controllingTerminal = false
  public var dieWithParent = false
  public var noNewPrivileges = false
  public var identity: Identity?
  public var capabilities: Capabilities?
  public var workingDirectory: String?
  public var checkWorkingDirectory = false
  /// The child uses this process's memory until its `exec`, and the calling thread sleeps so long (vfork(2)): saves the
  /// copy of the page tables. Not with ``cgroup`` or ``gate``.
  public var sharesMemory = false
  public var limits: [(resource: Int32, soft: UInt64, hard: UInt64)] = []
  /// Adds `LISTEN_PID`, the child's own pid, to its environment (sd_listen_fds(3)).
  public var tellsOwnPID = false
  /// A seccomp program, eight bytes an instruction.
  public var filter: [UInt8] = []

  /// The AppArmor profile that it gets with its program, with the root of a procfs in which it sees itself.
  public var profile: (name: String, proc: SharedDescriptor)?

  public init(_ executable: Executable, arguments: [String], environment: [String] = []) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
  }

  /// Starts the process.
  public func start() throws(SyscallError) -> SpawnedProcess {
    let pipe = try Pipe()
    let reportEnd = pipe.writing

    var request = cl_spawn()
    request.namespaces = namespaces.rawValue
    request.cgroup = cgroup
    request.executable = -1
    request.gate = gate?.raw ?? -1
    request.report = reportEnd.raw
    var flags = 0
    if newSession { flags |= CL_SPAWN_SESSION }
    if controllingTerminal { flags |= CL_SPAWN_TERMINAL }
    if dieWithParent { flags |= CL_SPAWN_DEATH_SIGNAL }
    if noNewPrivileges { flags |= CL_SPAWN_NO_NEW_PRIVS }
    if sharesMemory { flags |= CL_SPAWN_SHARE_MEMORY }
    if checkWorkingDirectory { flags |= CL_SPAWN_CHECK_CWD }
    var path: String?
    var name: String
    switch executable {
    case .path(let text): (path, name) = (text, text)
    case .descriptor(let number):
      (request.executable, name) = (number.raw, arguments.first ?? "descriptor \(number.raw)")
    case .pause: (flags, name) = (flags | CL_SPAWN_PAUSE, "pause")
    }
    if let identity {
      flags |= CL_SPAWN_IDS
      request.uid = identity.uid
      request.gid = identity.gid
    }
    if let capabilities {
      flags |= CL_SPAWN_CAPABILITIES
      request.bounding = capabilities.bounding
      request.permitted = capabilities.permitted
      request.ambient = capabilities.ambient
    }
    request.flags = UInt32(flags)

    let argv = CStringVector(arguments)
    // Room for the pid, which only the child knows.
    let envp = CStringVector(environment + (tellsOwnPID ? ["LISTEN_PID=          "] : []))
    if tellsOwnPID { request.own_pid = envp.pointers[environment.count]! + 11 }
    let texts = CStringVector([path, workingDirectory, profile?.name].map { $0 ?? "" })
    request.argv = UnsafePointer(argv.pointers)
    request.envp = UnsafePointer(envp.pointers)
    request.path = path == nil ? nil : UnsafePointer(texts.pointers[0])
    request.cwd = workingDirectory == nil ? nil : UnsafePointer(texts.pointers[1])
    request.profile = profile == nil ? nil : UnsafePointer(texts.pointers[2])
    request.proc = profile?.proc.raw ?? -1

    let maps = descriptors.map { cl_fd_map(from: $0.from.raw, to: $0.to) }
    let rlimits = limits.map { cl_rlimit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
    let groups = identity?.groups ?? []
    var pidfd: Int32 = -1
    let pid = maps.withUnsafeBufferPointer { maps in
      rlimits.withUnsafeBufferPointer { rlimits in
        groups.withUnsafeBufferPointer { groups in
          filter.withUnsafeBytes { filter in
            request.fds = maps.baseAddress
            request.fd_count = maps.count
            request.rlimits = rlimits.baseAddress
            request.rlimit_count = rlimits.count
            request.groups = groups.baseAddress
            request.group_count = groups.count
            if filter.count > 0 {
              request.filter = filter.baseAddress!.assumingMemoryBound(to: cl_sock_filter.self)
              request.filter_length = filter.count / 8
            }
            return cl_spawn(&request, &pidfd)
          }
        }
      }
    }
    withExtendedLifetime((argv, envp, texts, self, reportEnd)) {}
    try check(pid, "clone3", name)
    return SpawnedProcess(pidfd: Pidfd(pid: pid, descriptor: Descriptor(owning: pidfd)), report: pipe.reading)
  }
}

/// A child just started.
public final class SpawnedProcess: Sendable {
  public let pidfd: Pidfd
  /// Ends without bytes when `exec` succeeded, and delivers a ``SpawnFailure`` when it did not.
  public let report: SharedDescriptor

  init(pidfd: consuming Pidfd, report: SharedDescriptor) {
    self.pidfd = pidfd
    self.report = report
  }
}

/// Where a spawned child failed before its `exec`.
public struct SpawnFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public var step: Int32
  public var errno: Int32

  public init(step: Int32, errno: Int32) {
    self.step = step
    self.errno = errno
  }

  /// Waits until the child has executed its program or failed.
  public static func read(from report: SharedDescriptor) throws(SyscallError) -> SpawnFailure? {
    var bytes = [UInt8](repeating: 0, count: 8)
    let count = try FileSystem.read(report.raw, into: &bytes, object: "the spawn report")
    guard count == 8 else { return nil }
    let words = bytes.withUnsafeBytes { ($0.load(as: Int32.self), $0.load(fromByteOffset: 4, as: Int32.self)) }
    return SpawnFailure(step: words.0, errno: words.1)
  }

  /// What was being done, in words.
  public var stage: String {
    switch UInt32(bitPattern: step) {
    case CL_STEP_CLONE.rawValue: "starting the process"
    case CL_STEP_GATE.rawValue: "waiting for the go-ahead"
    case CL_STEP_DESCRIPTORS.rawValue: "placing its descriptors"
    case CL_STEP_SESSION.rawValue: "making its session"
    case CL_STEP_TERMINAL.rawValue: "taking its terminal"
    case CL_STEP_RLIMIT.rawValue: "setting a resource limit (a raised limit needs CAP_SYS_RESOURCE)"
    case CL_STEP_BOUNDING.rawValue: "limiting the capability bounding set"
    case CL_STEP_GROUPS.rawValue: "setting its groups"
    case CL_STEP_GID.rawValue: "setting its gid"
    case CL_STEP_UID.rawValue: "setting its uid"
    case CL_STEP_CAPABILITIES.rawValue, CL_STEP_AMBIENT.rawValue: "setting its capabilities"
    case CL_STEP_NO_NEW_PRIVS.rawValue: "setting no_new_privs"
    case CL_STEP_CHDIR.rawValue: "entering its working directory"
    case CL_STEP_CWD_OUTSIDE.rawValue: "checking that its working directory is inside its root"
    case CL_STEP_SECCOMP.rawValue: "loading its seccomp filter"
    case CL_STEP_EXEC.rawValue: "executing its program"
    case CL_STEP_PROFILE.rawValue: "asking for its AppArmor profile (is it loaded? systemctl reload apparmor)"
    case CL_STEP_DEATH_SIGNAL.rawValue: "tying it to its parent"
    default: "step \(step)"
    }
  }

  public var description: String { "\(stage): \(SyscallError.words(for: errno))" }
}

/// A NULL-terminated vector of C strings, freed with its owner.
final class CStringVector {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ strings: [String]) {
    count = strings.count
    pointers = .allocate(capacity: count + 1)
    for (index, string) in strings.enumerated() { pointers[index] = strdup(string) }
    pointers[count] = nil
  }

  deinit {
    for index in 0..<count { free(pointers[index]) }
    pointers.deallocate()
  }
}
