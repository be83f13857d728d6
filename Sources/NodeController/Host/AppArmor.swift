// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import LinuxKernel

/// The AppArmor profile that the package brings for the programs of containers (apparmor(7)).
enum AppArmor {
  static let profile = "nodeagent-workload"

  /// Its name, where AppArmor has loaded it; `nil` where there is no AppArmor, or no such profile.
  static func loadedProfile() -> String? {
    // Root may list them; one a line, with the mode in parentheses.
    let text = (try? FileSystem.readText("/sys/kernel/security/apparmor/profiles", limit: 1 << 20)) ?? ""
    return text.split(separator: "\n").contains { $0.hasPrefix("\(profile) (") } ? profile : nil
  }
}
