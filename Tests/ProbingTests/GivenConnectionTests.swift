// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import LinuxKernel
import NIOPosix
import Probing
import Testing

/// Checks over a connection that somebody else has made.
@Suite struct GivenConnectionTests {
  @Test(
    arguments: [\HTTPProbe.authority, \HTTPProbe.certificate, \HTTPProbe.key]
      as [WritableKeyPath<
        HTTPProbe, String?
      > & Sendable])
  func `no file of this process is used for it`(member: WritableKeyPath<HTTPProbe, String?> & Sendable) async throws {
    var request = HTTPProbe(url: "https://127.0.0.1/")
    request[keyPath: member] = "/etc/hostname"
    let socket = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    let probe = NetworkProbe(group: MultiThreadedEventLoopGroup.singleton)
    let outcome = await probe.look(HealthCheck(name: "c", probe: .http(request)), over: socket)
    #expect(!outcome.ok && outcome.output.contains("no certificates"), "\(outcome)")
  }
}
