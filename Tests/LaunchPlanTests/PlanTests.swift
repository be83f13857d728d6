// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LaunchPlan
import LinuxKernel
import Testing

@Suite struct LaunchPlanCodingTests {
  static let plan = LaunchPlan(
    name: "web",
    operations: [
      .isolateMounts, .unshareCgroup, .hostname("web"), .loopback,
      .mount(type: "tmpfs", options: [.value("size", "64k"), .flag("ro")], attributes: [.noSetuid], target: "dev"),
      .device(name: "null", major: 1, minor: 3), .attach(slot: 0, target: "data", file: false),
      .symbolicLink(path: "dev/fd", target: "/proc/self/fd"),
      .writeFile(path: "etc/hosts", bytes: [1, 2], mode: 0o644),
      .mask("proc/keys"), .readOnly("proc/sys"), .readOnlyRoot, .attachRoot, .joinCgroup(slot: 1),
      .identityFiles(slot: 2, target: "run/identity"), .enterRoot,
    ],
    workload: Workload(
      arguments: ["/bin/sh", "-c", "ä"], environment: ["A=1"], workingDirectory: "/srv", uid: 1000, gid: 1000,
      groups: [5], capabilities: [.chown], limits: [.init(resource: 7, soft: 64, hard: 128)], filter: [1, 2, 3],
      terminal: true),
    readiness: .notify, log: .init(segmentBytes: 65536, segments: 2))

  @Test func `a plan survives its encoding`() throws {
    #expect(try LaunchPlan(decoding: Self.plan.encoded()) == Self.plan)
  }

  @Test func `a plan that was cut is refused at every length`() {
    let bytes = Self.plan.encoded()
    for count in 0..<bytes.count {
      #expect(throws: DecodingFailure.self) { try LaunchPlan(decoding: Array(bytes.prefix(count))) }
    }
  }

  @Test func `bytes that were changed are refused or read, and never crash`() {
    var generator = SystemRandomNumberGenerator()
    let bytes = Self.plan.encoded()
    for _ in 0..<20_000 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        changed[Int.random(in: 0..<changed.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      _ = try? LaunchPlan(decoding: changed)
      _ = try? HarnessRequest(decoding: changed)
      _ = try? HarnessEvent(decoding: changed)
    }
  }

  @Test(arguments: [
    HarnessEvent.started, .ready, .statusText("x"), .exited(.exited(3)), .exited(.signaled(9, coreDumped: true)),
    .execStarted(id: 7), .execFailed(id: 7, stage: "s", errno: 2), .execExited(id: 7, .exited(0)),
    .status(started: true, ready: false), .connected(id: 7), .modified(id: 7, -3), .lookFailed(id: 7, errno: 111),
    .failed(stage: "mounting", error: .init(call: "c", object: "o", errno: 1)),
  ])
  func `an event survives its encoding`(event: HarnessEvent) throws {
    #expect(try HarnessEvent(decoding: event.encoded()) == event)
  }

  @Test(arguments: [
    HarnessRequest.signal(15, everyone: true), .exec(id: 1, plan.workload), .signalExec(id: 1, 9), .status,
    .connect(id: 1, "tcp://[::1]:80"), .modified(id: 1, "/x"), .identity(id: 1, "1.a", signal: 0),
    .identity(id: 1, "1.a", signal: 10),
    .launch(plan),
  ])
  func `a request survives its encoding`(request: HarnessRequest) throws {
    #expect(try HarnessRequest(decoding: request.encoded()) == request)
  }

  @Test(arguments: ["exited 3 17\n", "signaled 9 17\n", "dumped 11 17\n"])
  func `an exit record survives its text`(text: String) { #expect(ExitRecord(text: text)?.text == text) }

  @Test(arguments: ["", "exited", "exited x 1", "gone 1 2", "exited 1 2 3"])
  func `a text that is no exit record is none`(text: String) { #expect(ExitRecord(text: text) == nil) }
}

@Suite struct PlanExecutorTests {
  private func execute(_ operations: [Operation], _ kernel: RecordingKernel) throws(PlanFailure) {
    try PlanExecutor(kernel: kernel, root: -7, slots: []).execute(operations)
  }

  @Test func `a mount point is resolved before anything is mounted`() throws {
    let kernel = RecordingKernel()
    try execute([.mount(type: "proc", options: [], attributes: [.noExecute], target: "proc")], kernel)
    #expect(
      kernel.steps == ["resolve proc directory", "new proc() attributes 8", "attach proc onto proc"])
  }

  @Test func `a link in the place of a mount point is refused, and nothing is mounted`() throws {
    let kernel = RecordingKernel()
    var info = try kernel.linkStatus
    info.mode = S_IFLNK | 0o777
    kernel.set(status: info, for: "proc")
    let failure = #expect(throws: PlanFailure.self) {
      try execute([.mount(type: "proc", options: [], attributes: [], target: "proc")], kernel)
    }
    #expect(failure?.error.errno == ENOTDIR)
    #expect(kernel.steps == ["resolve proc directory"])
  }

  @Test func `a device is mounted only if the host's file is that device`() {
    let kernel = RecordingKernel()
    let failure = #expect(throws: PlanFailure.self) {
      try execute([.device(name: "null", major: 1, minor: 3)], kernel)
    }
    #expect(failure?.error.errno == ENODEV)
    #expect(kernel.steps == ["clone mount /dev/null"])
  }

  @Test func `the mask of a directory is an empty file-system, never a path of the image`() throws {
    let kernel = RecordingKernel()
    try execute([.mask("proc/acpi")], kernel)
    #expect(kernel.steps.count == 3)
    #expect(kernel.steps[1].hasPrefix("new tmpfs("))
  }

  @Test func `a path that is missing needs no mask`() throws {
    let kernel = RecordingKernel()
    kernel.fail("resolve proc/kcore", with: ENOENT)
    try execute([.mask("proc/kcore"), .readOnly("proc/kcore")], kernel)
    #expect(kernel.steps == ["resolve proc/kcore existing", "resolve proc/kcore existing"])
  }

  @Test func `the identity's file-system is read-only, and only programs of the container get to it`() throws {
    let kernel = RecordingKernel()
    try PlanExecutor(kernel: kernel, root: -7, slots: [5, 9]).execute([.identityFiles(slot: 1, target: "run/identity")])
    #expect(kernel.steps.count == 3)
    #expect(kernel.steps[1].hasPrefix("new fuse(fd=9,rootmode=40000,user_id=0,group_id=0,allow_other)"))
    #expect(throws: PlanFailure.self) {
      try PlanExecutor(kernel: kernel, root: -7, slots: []).execute([.identityFiles(slot: 0, target: "x")])
    }
  }

  @Test func `a failure names its operation, and the rest is not done`() {
    let kernel = RecordingKernel()
    kernel.fail("hostname", with: EPERM)
    let failure = #expect(throws: PlanFailure.self) {
      try execute([.isolateMounts, .hostname("x"), .enterRoot], kernel)
    }
    #expect(failure?.operation == .hostname("x"))
    #expect(kernel.steps == ["make mounts private", "hostname x"])
  }
}

extension RecordingKernel {
  /// A status to change.
  fileprivate var linkStatus: FileStatus { get throws { try status(of: -1) } }
}
