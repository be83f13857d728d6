// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import Configuration
import ContainerController

/// Signals in tables.
enum SignalText {
  static func name(_ number: Int32) -> String { SignalNames.name(number) }
}
