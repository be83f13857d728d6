// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What a look at the whole audit log has found.
public enum AuditVerdict: Sendable, Hashable {
  case intact(rows: Int)
  /// The first row that is not as it was written, or not where it was.
  case broken(row: Int, String)
}
