// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@Suite struct SpawnTests {
  private func run(_ script: String, _ change: (inout SpawnRequest) -> Void = { _ in }) throws -> (
    LinuxKernel.ExitStatus?, String
  ) {
    let pipe = try Pipe()
    let null = SharedDescriptor(try FileSystem.open("/dev/null", flags: O_RDWR))
    var request = SpawnRequest(.path("/bin/sh"), arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"])
    request.descriptors = [(null, 0), (pipe.writing, 1), (null, 2)]
    change(&request)
    let child = try request.start()
    if let failure = try SpawnFailure.read(from: child.report) {
      _ = try child.pidfd.reap(wait: true)
      throw failure
    }
    let status = try child.pidfd.reap(wait: true)
    Descriptor.closeWriting(pipe)
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = try FileSystem.read(pipe.reading.raw, into: &bytes)
    return (status, String(decoding: bytes.prefix(count), as: UTF8.self))
  }

  @Test(arguments: [(0, "exit 0"), (3, "exit 3"), (255, "exit 255")])
  func `the code is kept`(code: Int32, script: String) throws {
    #expect(try run("echo x; \(script)").0 == .exited(code))
  }

  @Test func `the signal is kept`() throws {
    #expect(try run("echo x; kill -TERM $$").0 == .signaled(SIGTERM, coreDumped: false))
  }

  @Test func `only the named descriptors are passed`() throws {
    // Opened without close-on-exec, as a careless library would.
    let leaked = open("/etc/passwd", O_RDONLY)
    defer { close(leaked) }
    let (_, text) = try run("ls /proc/self/fd | tr '\\n' ' '")
    // ls itself has the directory open as 3.
    #expect(text == "0 1 2 3 ")
  }

  @Test func `a child that shares memory until its exec leaves its parent as it was`() throws {
    // Each of these is set in the child alone.
    for number in 0..<50 {
      let (status, text) = try run("echo $0; pwd; umask; exit \(number)") {
        $0.sharesMemory = true
        $0.workingDirectory = "/usr"
        $0.newSession = true
        $0.noNewPrivileges = true
      }
      #expect(status == .exited(Int32(number)))
      #expect(text.hasPrefix("sh\n/usr\n"))
    }
    #expect(FileSystem.exists("/proc/self/fd"))
    let absent: SpawnFailure? = try {
      var request = SpawnRequest(.path("/nonexistent"), arguments: ["x"])
      request.sharesMemory = true
      let child = try request.start()
      defer { _ = try? child.pidfd.reap(wait: true) }
      return try SpawnFailure.read(from: child.report)
    }()
    #expect(absent?.errno == ENOENT)
  }

  @Test func `a program that is not there is told by its step`() throws {
    let request = SpawnRequest(.path("/nonexistent"), arguments: ["x"])
    let child = try request.start()
    let failure = try SpawnFailure.read(from: child.report)
    #expect(failure?.description == "executing its program: No such file or directory (ENOENT)")
    let status = try child.pidfd.reap(wait: true)
    #expect(status == .exited(127))
  }

  @Test func `a gate that closes ends the child before it does anything`() throws {
    let status: LinuxKernel.ExitStatus?
    do {
      let child: SpawnedProcess
      do {
        let gate = try Pipe()
        var request = SpawnRequest(.path("/bin/true"), arguments: ["true"])
        request.gate = gate.reading
        child = try request.start()
        let runs = child.pidfd.isRunning()
        #expect(runs)
        withExtendedLifetime(gate) {}
      }
      status = try child.pidfd.reap(wait: true)
    }
    #expect(status == .exited(125))
  }
}

extension Descriptor {
  /// Keeps a pipe's ends alive up to here.
  fileprivate static func closeWriting(_ pipe: Pipe) { withExtendedLifetime(pipe) {} }
}
