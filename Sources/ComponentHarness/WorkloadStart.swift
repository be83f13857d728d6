// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LaunchPlan
import LinuxKernel

/// Why a process of the container could not be started.
struct StartFailure: Error {
  var stage: String
  var error: SyscallError
}

/// Starts a process of the container from PID 1.
enum WorkloadStart {
  /// Returns its pid once its program runs. `sockets` become its descriptors from 3 on.
  static func start(
    _ workload: Workload, profile: (name: String, proc: SharedDescriptor)?, input: SharedDescriptor,
    output: SharedDescriptor, error: SharedDescriptor, sockets: [SharedDescriptor] = []
  ) throws(StartFailure) -> Int32 {
    guard let command = workload.arguments.first, !command.isEmpty else {
      throw StartFailure(stage: "reading the command", error: SyscallError(call: "exec", object: "\"\"", errno: EINVAL))
    }
    var request = SpawnRequest(
      .path(try find(command, environment: workload.environment)), arguments: workload.arguments,
      environment: workload.environment)
    request.descriptors = [(input, 0), (output, 1), (error, 2)]
    for (index, socket) in sockets.enumerated() { request.descriptors.append((socket, Int32(3 + index))) }
    request.tellsOwnPID = !sockets.isEmpty
    request.newSession = true
    request.controllingTerminal = workload.terminal
    request.identity = .init(uid: workload.uid, gid: workload.gid, groups: workload.groups)
    // Root's exec takes permitted capabilities from the bounding set; other users need ambient ones, and those must be
    // inheritable. Without any, CapInh stays empty (CVE-2022-29162).
    let capabilities = workload.capabilities.rawValue
    request.capabilities = .init(
      bounding: capabilities, permitted: capabilities, ambient: workload.uid == 0 ? 0 : capabilities)
    request.workingDirectory = workload.workingDirectory
    request.checkWorkingDirectory = true
    request.limits = workload.limits.map { ($0.resource, $0.soft, $0.hard) }
    request.noNewPrivileges = true
    request.profile = profile
    request.sharesMemory = true
    request.filter = workload.filter
    do {
      let process = try request.start()
      if let failure = try SpawnFailure.read(from: process.report) {
        _ = try process.pidfd.reap(wait: true)
        throw StartFailure(
          stage: failure.stage, error: SyscallError(call: "execve", object: command, errno: failure.errno))
      }
      return process.pidfd.pid
    } catch let error as SyscallError {
      throw StartFailure(stage: "starting \(command)", error: error)
    } catch let failure as StartFailure {
      throw failure
    } catch {
      throw StartFailure(stage: "starting", error: SyscallError(call: "clone3", object: command, errno: EIO))
    }
  }

  /// Looks a command up as execvp(3) does: in `PATH` unless it contains a slash.
  private static func find(_ command: String, environment: [String]) throws(StartFailure) -> String {
    if command.contains("/") { return command }
    let path =
      environment.last { $0.hasPrefix("PATH=") }?.dropFirst(5)
      ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    for directory in path.split(separator: ":") {
      let candidate = "\(directory)/\(command)"
      if access(candidate, X_OK) == 0, let status = try? FileSystem.open(candidate, flags: FileSystem.pathOnly),
        (try? FileSystem.status(of: status.raw))?.isRegularFile == true
      {
        return candidate
      }
    }
    throw StartFailure(
      stage: "looking \(command) up in PATH=\(path)",
      error: SyscallError(call: "execve", object: command, errno: ENOENT))
  }
}
