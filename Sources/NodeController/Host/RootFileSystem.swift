// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// Makes a container's root file-system as a mount that is attached nowhere: an overlay whose lower layer is the
/// template, seen through an id-mapped mount, and whose upper layer is the container's own.
struct RootFileSystem<K: Kernel> {
  let kernel: K

  /// - Parameters:
  ///   - mapping: a user namespace of ``IdentityMapping``.
  func make(template: String, upper: String, work: String, mapping: Int32) throws(SyscallError) -> Descriptor {
    let lower = try kernel.cloneMount(template, in: -100, recursive: false)
    try kernel.setAttributes([.noSetuid, .noDevices], of: lower.raw, recursive: false, userNamespace: mapping)
    return try kernel.newFileSystem(
      type: "overlay",
      options: [
        .value("lowerdir", "/proc/self/fd/\(lower.raw)"), .value("upperdir", upper), .value("workdir", work),
        .value("index", "off"), .value("metacopy", "off"), .value("redirect_dir", "nofollow"),
      ],
      attributes: [.noSetuid, .noDevices])
  }
}
