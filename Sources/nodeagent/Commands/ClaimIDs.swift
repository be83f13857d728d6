// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ArgumentParser
import NodeController

/// `nodeagent claim-ids`: prints the range of ids that containers use, in the form of usermod(8).
struct ClaimIDs: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "claim-ids", abstract: "Prints the range of ids of the containers.", shouldDisplay: false)
  @OptionGroup var options: InstanceOptions

  func run() throws {
    try reporting {
      let range = try InstanceNumber.identities(of: try options.instance)
      print("\(range.lowerBound)-\(range.upperBound)")
    }
  }
}
