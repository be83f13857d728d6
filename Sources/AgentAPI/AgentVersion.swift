// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// The version of the agent and of its API.
public enum AgentVersion {
  public static let current = "0.1.0"
}
