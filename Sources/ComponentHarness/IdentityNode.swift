// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// A file of one certificate; its number is the inode's.
///
/// The next certificate has files of its own: the kernel keeps pages by inode for those who read by sendfile(2), and would
/// give them the one's for the other's.
struct IdentityNode: Hashable {
  let generation: Int
  let file: IdentityFile

  init(_ generation: Int, _ file: IdentityFile) {
    self.generation = generation
    self.file = file
  }

  init?(inode: UInt64) {
    guard let file = IdentityFile(rawValue: inode & 15), let generation = Int(exactly: inode >> 4) else { return nil }
    self.init(generation, file)
  }

  var inode: UInt64 { UInt64(generation) << 4 | file.rawValue }
}
