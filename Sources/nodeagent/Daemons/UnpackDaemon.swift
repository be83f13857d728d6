// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ArgumentParser
import ContainerController

/// `nodeagent unpack SIZE`: the confined child that unpacks one archive.
struct Unpack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpack", abstract: "Unpacks one archive.", shouldDisplay: false)
  @Argument var size: UInt64

  func run() throws { throw ExitCode(UnpackProcess.main(size: size)) }
}
