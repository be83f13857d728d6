// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import LaunchPlan
import LinuxKernel
import Testing

@testable import ContainerController

@Suite struct LaunchPlanBuilderTests {
  private func input(_ change: (inout LaunchInput) -> Void = { _ in }) -> LaunchInput {
    var input = LaunchInput(
      name: "web", descriptor: BundleDescriptor(name: "b", version: "1", command: ["/bin/x"]),
      spec: ContainerSpec(name: "web", bundle: "b"), resources: Resources(), address: "10.128.0.2", nameServers: [],
      unifiedCgroups: false, seccomp: [1], cgroupEntrances: 0, reference: "b:1")
    change(&input)
    return input
  }

  @Test func `the root is entered last, and mounts are private first`() throws {
    let operations = try LaunchPlanBuilder.plan(input()).operations
    #expect(operations.first == .unshareCgroup)
    let attached = try #require(operations.firstIndex(of: .attachRoot))
    let firstMount = try #require(operations.firstIndex { if case .mount = $0 { true } else { false } })
    #expect(attached < firstMount)
    #expect(operations.last == .enterRoot)
  }

  @Test func `the journal's fields are there when the journal is`() throws {
    #expect(try LaunchPlanBuilder.plan(input()).journal.isEmpty)
    let fields = try LaunchPlanBuilder.plan(input { $0.hasJournal = true }).journal
    #expect(
      String(decoding: fields, as: UTF8.self) == "SYSLOG_IDENTIFIER=web\nCONTAINER_NAME=web\nCONTAINER_BUNDLE=b:1\n")
  }

  @Test func `no capability, a filter, and a fresh dev by default`() throws {
    let plan = try LaunchPlanBuilder.plan(input())
    #expect(plan.workload.capabilities == [])
    #expect(plan.workload.filter == [1])
    #expect(plan.operations.contains { if case .mount("tmpfs", _, _, "dev") = $0 { true } else { false } })
    #expect(plan.operations.contains(.mask("proc/kcore")))
    #expect(plan.operations.contains(.readOnly("proc/sys")))
  }

  @Test func `nothing is mounted with devices, setuid and execution together`() throws {
    for case .mount(let type, _, let attributes, let target) in try LaunchPlanBuilder.plan(input()).operations {
      #expect(attributes.contains(.noSetuid), "\(type) on \(target)")
      // devpts and /dev hold device nodes, which nobody in a container can make.
      if !target.hasPrefix("dev") { #expect(attributes.contains(.noDevices), "\(type) on \(target)") }
    }
  }

  @Test func `the identity's files come over the scratch mounts, from the slot behind the cgroups`() throws {
    let operations = try LaunchPlanBuilder.plan(
      input {
        $0.identityFiles = "/run/identity"
        $0.cgroupEntrances = 3
      }
    ).operations
    let run = operations.firstIndex { if case .mount(_, _, _, "run") = $0 { true } else { false } }
    let files = operations.firstIndex(of: .identityFiles(slot: 3, target: "run/identity"))
    #expect(try #require(run) < #require(files))
  }

  @Test func `files are written after the mounts, before paths are hidden`() throws {
    let operations = try LaunchPlanBuilder.plan(input()).operations
    let lastMount = operations.lastIndex { if case .mount = $0 { true } else { false } }
    let hosts = operations.firstIndex { if case .writeFile("etc/hosts", _, _) = $0 { true } else { false } }
    let firstMask = operations.firstIndex { if case .mask = $0 { true } else { false } }
    #expect(try #require(lastMount) < #require(hosts))
    #expect(try #require(hosts) < #require(firstMask))
  }

  @Test func `a spec's command and variables win over the bundle's`() throws {
    let plan = try LaunchPlanBuilder.plan(
      input {
        $0.descriptor.environment = ["A": "1", "B": "2"]
        $0.spec.environment = ["B": "3"]
        $0.spec.command = ["/bin/y", "z"]
      })
    #expect(plan.workload.arguments == ["/bin/y", "z"])
    #expect(plan.workload.environment.contains("A=1"))
    #expect(plan.workload.environment.contains("B=3"))
    #expect(!plan.workload.environment.contains("B=2"))
  }

  @Test func `a plan fits into one message`() throws {
    let program = try SeccompCompiler.defaultProgram()
    let plan = try LaunchPlanBuilder.plan(input { $0.seccomp = program })
    #expect(HarnessRequest.launch(plan).encoded().count < 96 << 10)
  }
}

@Suite struct SeccompTests {
  @Test func `the profile compiles to whole instructions that start with the architecture`() throws {
    let program = try SeccompCompiler.defaultProgram()
    #expect(program.count % 8 == 0)
    #expect(program.count > 800)
    // BPF_LD | BPF_W | BPF_ABS of the architecture's word.
    #expect(program.prefix(8) == [0x20, 0, 0, 0, 4, 0, 0, 0])
  }

  @Test(arguments: [
    "mount", "umount2", "setns", "unshare", "bpf", "keyctl", "add_key", "reboot", "init_module", "perf_event_open",
    "userfaultfd", "open_by_handle_at", "io_uring_setup", "kexec_load", "swapon",
  ])
  func `what reaches into the host is not on the list`(name: String) { #expect(!SeccompProfile.allowed.contains(name)) }
}
