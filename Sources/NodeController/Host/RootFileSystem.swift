// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Glibc
import LinuxKernel
import Synchronization

/// Makes a container's root file-system as a mount that is attached nowhere: an overlay whose lower layer is the
/// template, seen through an id-mapped mount, and whose upper layer is the container's own.
final class RootFileSystem<K: Kernel>: Sendable {
  private let kernel: K
  /// Kernels before 6.15 take only attached mounts as layers; found out once.
  private let needsAttached = Mutex(false)

  init(kernel: K) { self.kernel = kernel }

  /// - Parameters:
  ///   - point: an empty directory of this container's, where the lower layer is attached for a moment if the kernel
  ///     wants that. Nobody else sees it: the node controller has a mount namespace of its own.
  ///   - mapping: a user namespace of ``IdentityMapping``.
  func make(template: String, upper: String, work: String, point: String, mapping: Int32) throws(SyscallError)
    -> Descriptor
  {
    let lower = try kernel.cloneMount(template, in: AT_FDCWD, recursive: false)
    try kernel.setAttributes([.noSetuid, .noDevices], of: lower.raw, recursive: false, userNamespace: mapping)
    if !needsAttached.withLock({ $0 }) {
      do {
        return try overlay(lower: "/proc/self/fd/\(lower.raw)", upper: upper, work: work)
      } catch {
        guard error.errno == EINVAL else { throw error }
      }
    }
    let target = try kernel.openDirectory(point)
    try kernel.attach(lower.raw, onto: target.raw)
    let root: Descriptor
    do throws(SyscallError) {
      root = try overlay(lower: point, upper: upper, work: work)
    } catch {
      try kernel.detach(point)
      throw error
    }
    // The overlay has a clone of its own.
    try kernel.detach(point)
    needsAttached.withLock { $0 = true }
    return root
  }

  private func overlay(lower: String, upper: String, work: String) throws(SyscallError) -> Descriptor {
    try kernel.newFileSystem(
      type: "overlay",
      options: [
        .value("lowerdir", lower), .value("upperdir", upper), .value("workdir", work), .value("index", "off"),
        .value("metacopy", "off"), .value("redirect_dir", "nofollow"),
      ],
      attributes: [.noSetuid, .noDevices])
  }
}
