// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The example bundles, where they were built.
enum Examples {
  /// The folder of an example, or `nil` where `make examples` was not run.
  static func folder(_ name: String) -> String? {
    var directory = Host.products
    // In the sources they are where they were built, in the machine of the tests beside them.
    for _ in 0..<4 {
      directory += "/.."
      for place in ["Packaging/examples/out", "."] where FileSystem.exists("\(directory)/\(place)/\(name)/bundle.yaml")
      {
        return "\(directory)/\(place)/\(name)"
      }
    }
    return nil
  }
}
