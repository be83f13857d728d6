// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import CLinux
import Glibc
import LinuxKernel

/// Looks at what this machine offers to containers.
struct Doctor {
  let instance: Instance
  let layout: CgroupLayout
  let network: NodeNetwork

  func examine() -> [Finding] {
    [kernel(), cgroups(), userNamespaces(), overlay(), fuse(), seccomp(), files(), space(), nft(), harness()]
      + capabilities() + systemd() + users() + units()
  }

  private func kernel() -> Finding {
    let release = (try? FileSystem.readText("/proc/sys/kernel/osrelease"))?.filter { !$0.isWhitespace } ?? "?"
    let parts = release.split(separator: ".").compactMap { Int($0.prefix { $0.isNumber }) }
    guard parts.count >= 2, (parts[0], parts[1]) >= (5, 19) else {
      return Finding(.problem, "kernel", "\(release) is older than 5.19, which first has overlays on id-mapped layers")
    }
    return Finding(.ok, "kernel", release)
  }

  private func cgroups() -> Finding {
    let missing = ["memory", "cpu", "pids"].filter { !layout.has($0) }
    guard missing.isEmpty else {
      return Finding(
        .problem, "cgroups",
        "\(layout.mode.rawValue), without \(missing.joined(separator: ", ")): those limits cannot be kept")
    }
    return Finding(.ok, "cgroups", "\(layout.mode.rawValue), with memory, cpu and pids")
  }

  private func userNamespaces() -> Finding {
    let most = (try? FileSystem.readText("/proc/sys/user/max_user_namespaces")).flatMap { Int($0.filter(\.isNumber)) }
    guard let most, most > 0 else {
      return Finding(.problem, "user namespaces", "none allowed: set user.max_user_namespaces with sysctl")
    }
    if let allowed = try? FileSystem.readText("/proc/sys/kernel/unprivileged_userns_clone"), allowed.hasPrefix("0") {
      return Finding(.problem, "user namespaces", "only root may make them: set kernel.unprivileged_userns_clone=1")
    }
    return Finding(.ok, "user namespaces", "up to \(most)")
  }

  private func files() -> Finding {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return limit.rlim_max < 4096
      ? Finding(.warning, "open files", "at most \(limit.rlim_max); each container needs about 4")
      : Finding(.ok, "open files", "up to \(limit.rlim_max)")
  }

  private func space() -> Finding {
    var info = statvfs()
    guard statvfs(instance.stateDirectory, &info) == 0 else {
      return Finding(.problem, "disk", "\(instance.stateDirectory) cannot be examined")
    }
    let free = (UInt64(info.f_bavail) * UInt64(info.f_frsize)) >> 20
    return Finding(free < 512 ? .warning : .ok, "disk", "\(free) MiB free for bundles and containers")
  }

  private func nft() -> Finding {
    do {
      let probe = "nodeagent-doctor-\(getpid())"
      try Nft().run("add table inet \(probe)\ndelete table inet \(probe)")
      return Finding(
        .ok, "nftables",
        "table nodeagent-\(instance.id), containers in \([network.pool.ipv4.text, network.pool.ipv6?.text ?? "no IPv6"].joined(separator: ", "))"
      )
    } catch {
      return Finding(.problem, "nftables", "\(error)")
    }
  }

  private func harness() -> Finding {
    guard let path = Executables.harness else {
      return Finding(.problem, "harness", "nodeagent-harness is not beside the nodeagent executable")
    }
    return Finding(.ok, "harness", path)
  }

  private func overlay() -> Finding {
    let known = (try? FileSystem.readText("/proc/filesystems"))?.split(whereSeparator: \.isWhitespace) ?? []
    if known.contains("overlay") { return Finding(.ok, "overlay", "the kernel has it") }
    // Whoever asks for one has the kernel load its module, as the first container would.
    let context = cl_fsopen("overlay")
    guard context >= 0 else {
      return Finding(.problem, "overlay", "containers' root file-systems need it: modprobe overlay")
    }
    close(context)
    return Finding(.ok, "overlay", "the kernel has it, as a module")
  }

  private func fuse() -> Finding {
    let path = "/dev/fuse"
    do {
      // Closed again at once: nothing was mounted.
      _ = try FileSystem.open(path, flags: O_RDWR | O_NOFOLLOW)
      return Finding(.ok, "fuse", "identities can be files in containers")
    } catch {
      return Finding(
        .warning, "fuse",
        "identities cannot be files in containers: \(path): \(SyscallError.words(for: error.errno)) (modprobe fuse)")
    }
  }

  private func seccomp() -> Finding {
    let actions = (try? FileSystem.readText("/proc/sys/kernel/seccomp/actions_avail")) ?? ""
    return actions.split(whereSeparator: \.isWhitespace).contains("errno")
      ? Finding(.ok, "seccomp", "filters that answer with an error")
      : Finding(.problem, "seccomp", "the kernel filters no system calls: it needs CONFIG_SECCOMP_FILTER")
  }

  private func systemd() -> [Finding] {
    guard Systemctl.isThere else { return [Finding(.ok, "systemd", "does not run; the agent supervises by itself")] }
    do {
      _ = try SystemBus()
      return [Finding(.ok, "systemd", "answers by D-Bus")]
    } catch {
      return [Finding(.problem, "systemd", "sub-systems cannot be run: \(error); install dbus")]
    }
  }

  /// The users of the package; a private root derives ids of its own.
  private func users() -> [Finding] {
    guard instance.root == "/" else { return [] }
    let missing = [
      "nodeagent-cert", "nodeagent-container", "nodeagent-gateway", "nodeagent-monitor", "nodeagent-keeper",
    ].filter {
      (name: String) in
      getpwnam(name) == nil
    }
    return missing.isEmpty
      ? [Finding(.ok, "users", "each part has its own")]
      : [
        Finding(
          .warning, "users",
          "\(missing.joined(separator: ", ")) missing, so derived ids are used: systemd-sysusers, or install the package again"
        )
      ]
  }

  private func units() -> [Finding] {
    do {
      var problems = try SubsystemUnits(directory: instance.subsystemUnits).read().problems.map(\.description)
      do { _ = try NodeChecks.read(instance.nodeChecks) } catch { problems.append("\(error)") }
      return problems.isEmpty
        ? [Finding(.ok, "unit files", "all can be used")] : problems.map { Finding(.problem, "unit files", $0) }
    } catch {
      return [Finding(.problem, "unit files", "\(error)")]
    }
  }

  private func capabilities() -> [Finding] {
    guard let permitted = try? CapabilitySet.permitted() else { return [] }
    let missing = NodePrivileges.needed.subtracting(permitted)
    return missing.isEmpty
      ? [Finding(.ok, "capabilities", "all that the node controller needs")]
      : [Finding(.problem, "capabilities", "missing \(missing.memberNames.joined(separator: ", "))")]
  }
}

extension CgroupLayout {
  fileprivate func has(_ controller: String) -> Bool {
    if legacy[controller] != nil || unifiedControllers.contains(controller) { return true }
    guard let unified, let text = try? FileSystem.readText("\(unified)/cgroup.controllers") else { return false }
    return text.split(whereSeparator: \.isWhitespace).contains { $0 == controller }
  }
}
