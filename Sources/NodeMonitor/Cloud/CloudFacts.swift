// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What a cloud says of the virtual machine that this node is; empty where it does not say.
struct CloudFacts: Sendable, Hashable {
  var instanceID = ""
  var instanceType = ""
  var region = ""
  var zone = ""
  var image = ""
}
