// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// What a request would do to which sub-systems, in which order.
public struct SubsystemPlan: Codable, Sendable, Hashable, SchemaDocumented {
  public enum Action: String, Sendable, Hashable, SchemaEnumeration {
    case start, stop, restart, reload
    /// Its unit file is new; it is known from now on.
    case add
    /// Its unit file is gone; it is forgotten.
    case forget
    /// Its unit file has changed in a way that the running process need not be restarted for.
    case update
  }

  public struct Step: Codable, Sendable, Hashable, SchemaDocumented {
    public var action: Action
    public var name: String
    /// Why it is part of the plan.
    public var reason: String
    /// Steps that have to be done first, by their place in the list.
    public var after: [Int]
    /// Set once the plan was carried out: what went wrong with it.
    public var problem: String?
    public init(action: Action, name: String, reason: String, after: [Int] = [], problem: String? = nil) {
      self.action = action
      self.name = name
      self.reason = reason
      self.after = after
      self.problem = problem
    }
    public static let memberSummaries = [
      "after": "the steps that come first, by their place in the list",
      "problem": "what went wrong with it, once the plan was carried out",
    ]
  }

  public var steps: [Step]
  /// True when it was carried out and not only shown.
  public var done: Bool

  public init(steps: [Step], done: Bool = false) {
    self.steps = steps
    self.done = done
  }

  public static let memberSummaries = ["done": "it was carried out, and not only shown"]
}
