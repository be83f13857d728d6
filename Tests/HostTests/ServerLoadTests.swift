// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Testing

/// What a peer that is allowed to connect can do to the real daemons.
@Suite(.enabled(if: Host.canRunAgents, "\(Host.reason)")) struct ServerLoadTests {
  static let manyFiles: Bool = {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    guard limit.rlim_max >= 12_000 else { return false }
    limit.rlim_cur = limit.rlim_max
    return setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
  }()

  private func residentKiB(_ pid: Int32) throws -> Int {
    let text = try FileSystem.readText("/proc/\(pid)/statm")
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4
  }

  @Test(.enabled(if: manyFiles, "needs a limit of 12000 open files"))
  func `ten thousand idle connections cost little and stop nobody`() throws {
    let agent = try TestAgent()
    let pid = agent.containerControllerPID
    let before = try residentKiB(pid)
    var idle: [SharedDescriptor] = []
    for _ in 0..<10_000 { idle.append(SharedDescriptor(try UnixSocket.connect(agent.instance.containerSocket))) }
    for descriptor in idle.prefix(1000) { try UnixSocket.send(Array("{\"jsonrpc\":".utf8), to: descriptor.raw) }
    #expect(try agent.call(ContainerMethods.list, .init()).isEmpty)
    let grown = try residentKiB(pid) - before
    #expect(grown < 192 << 10, "\(grown) KiB")
    idle = []
    #expect(agent.containerControllerPID == pid)
    #expect(try agent.call(ContainerMethods.list, .init()).isEmpty)
  }

  @Test func `uploads that never end hold nobody up`() throws {
    let agent = try TestAgent()
    try agent.importBusybox()
    let uploads = try (0..<40).map { _ in try agent.containers().open(BundleMethods.importArchive, .init()).1 }
    _ = try agent.call(ContainerMethods.run, ContainerSpec(name: "a", bundle: "bb"))
    #expect(try agent.view("a").state == .available)
    withExtendedLifetime(uploads) {}
  }

  @Test func `a gigabyte without a line end bloats nothing`() throws {
    let agent = try TestAgent()
    let pid = agent.containerControllerPID
    let before = try residentKiB(pid)
    let socket = try UnixSocket.connect(agent.instance.containerSocket)
    let chunk = [UInt8](repeating: 0x61, count: 1 << 20)
    for _ in 0..<max(256, Host.rounds(1024)) { try UnixSocket.send(chunk, to: socket.raw) }
    #expect(try agent.call(ContainerMethods.list, .init()).isEmpty)
    let grown = try residentKiB(pid) - before
    #expect(grown < 96 << 10, "\(grown) KiB")
  }
}
