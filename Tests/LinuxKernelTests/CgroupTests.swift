// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Testing

@Suite struct CgroupLayoutTests {
  static let unified = (
    "25 30 0:23 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", "0::/system.slice/nodeagent.service\n"
  )
  static let hybrid = (
    """
    31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
    32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
    33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
    34 30 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
    """, "4:memory:/a\n3:cpu,cpuacct:/b\n2:pids:/c\n0::/d\n"
  )

  @Test func `a machine with cgroup v2 alone is unified`() {
    let layout = CgroupLayout.parse(mountinfo: Self.unified.0, cgroup: Self.unified.1)
    #expect(layout.mode == .unified)
    #expect(layout.unified == "/sys/fs/cgroup/system.slice/nodeagent.service")
  }

  @Test func `a machine with both is hybrid, each controller where its process is`() {
    let layout = CgroupLayout.parse(mountinfo: Self.hybrid.0, cgroup: Self.hybrid.1)
    #expect(layout.mode == .hybrid)
    #expect(layout.legacy["memory"] == "/sys/fs/cgroup/memory/a")
    #expect(layout.legacy["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct/b")
    #expect(layout.unified == "/sys/fs/cgroup/unified/d")
  }

  @Test(arguments: ["", "nonsense", "1 2 3", "25 30 0:23 / /x - cgroup2", "a b c d e f g h - cgroup"])
  func `lines that make no sense are passed over`(line: String) {
    #expect(CgroupLayout.parse(mountinfo: line, cgroup: line).mode == .none)
  }
}

@Suite struct CgroupStepTests {
  let limits = CgroupLimits(memory: 1 << 25, swap: 0, cpuMilli: 500, pids: 16)

  @Test func `v2 limits are written before a process comes in`() throws {
    let kernel = RecordingKernel(files: [
      "/g/cgroup.controllers": "memory cpu pids", "/g/cgroup.subtree_control": "",
      "/g/base/cgroup.controllers": "memory cpu pids",
    ])
    let layout = CgroupLayout(legacy: [:], unified: "/g", unifiedControllers: [])
    let cgroups = makeCgroupHierarchy(layout: layout, base: "base", kernel: kernel)
    try cgroups.create("web", limits: limits)
    try cgroups.attach(42, to: "web")
    let steps = kernel.steps
    #expect(steps.contains("write +memory to /g/cgroup.subtree_control"))
    #expect(steps.contains("write 33554432 to /g/base/web/memory.max"))
    #expect(steps.contains("write 50000 100000 to /g/base/web/cpu.max"))
    #expect(steps.contains("write 16 to /g/base/web/pids.max"))
    #expect(steps.last == "write 42 to /g/base/web/cgroup.procs")
  }

  @Test func `v1 has a group in each hierarchy, and the same limits`() throws {
    let kernel = RecordingKernel()
    let layout = CgroupLayout(
      legacy: ["memory": "/m", "cpu": "/c", "pids": "/p"], unified: nil, unifiedControllers: [])
    let cgroups = makeCgroupHierarchy(layout: layout, base: "base", kernel: kernel)
    try cgroups.create("web", limits: limits)
    #expect(kernel.steps.contains("write 33554432 to /m/base/web/memory.limit_in_bytes"))
    #expect(kernel.steps.contains("write 50000 to /c/base/web/cpu.cfs_quota_us"))
    #expect(kernel.steps.contains("write 16 to /p/base/web/pids.max"))
  }

  @Test func `a refused write names the file`() {
    let kernel = RecordingKernel()
    kernel.fail("write 16 to", with: EINVAL)
    let layout = CgroupLayout(legacy: ["pids": "/p"], unified: nil, unifiedControllers: [])
    let cgroups = makeCgroupHierarchy(layout: layout, base: "base", kernel: kernel)
    let error = #expect(throws: SyscallError.self) { try cgroups.create("web", limits: limits) }
    #expect(error?.object.contains("/p/base/web/pids.max") == true)
  }
}

@Suite struct CgroupUsageTests {
  @Test(
    arguments: [
      ("", [0, 0, 0, 0]),
      (
        "8:0 rbytes=4096 wbytes=1 rios=1 wios=2 dbytes=0 dios=0\n253:0 rbytes=1 wbytes=2 rios=3 wios=4\n",
        [4097, 3, 4, 6]
      ),
      ("8:0 \n nonsense rbytes=x wbytes= =5 rios=18446744073709551616\n", [0, 0, 0, 0]),
    ] as [(String, [UInt64])])
  func `the figures of all disks are added up`(text: String, sums: [UInt64]) throws {
    let parent = "/tmp/nodeagent-cgroup-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try FileSystem.makeDirectories("\(parent)/base/one", mode: 0o755)
    defer { try? FileSystem.removeTree(parent) }
    let cgroups = UnifiedCgroups(parent: parent, base: "base", kernel: LiveKernel())
    #expect(cgroups.usage(of: "one").readBytes == nil)
    try FileSystem.replace("\(parent)/base/one/io.stat", with: Array(text.utf8), mode: 0o644)
    let usage = cgroups.usage(of: "one")
    #expect([usage.readBytes, usage.writtenBytes, usage.reads, usage.writes] == sums.map { $0 })
  }
}
