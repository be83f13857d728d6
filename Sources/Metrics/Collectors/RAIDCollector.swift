// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Software RAID: `/proc/mdstat` (md(4)).
struct RAIDCollector: Collector {
  let name = "mdadm"
  private let file: KernelFile
  private let state: FamilyID
  private let disks: FamilyID
  private let required: FamilyID
  private let blocks: FamilyID
  private let synced: FamilyID

  init(_ roots: KernelRoots, _ table: inout SeriesTable) {
    file = KernelFile("\(roots.proc)/mdstat")
    state = table.family("node_md_state", "Indicates the state of md-device.", labels: ["device", "state"])
    disks = table.family(
      "node_md_disks", "Number of active/failed/spare disks of device.", labels: ["device", "state"])
    required = table.family("node_md_disks_required", "Total number of disks of device.", labels: ["device"])
    blocks = table.family("node_md_blocks", "Total number of blocks on device.", labels: ["device"])
    synced = table.family("node_md_blocks_synced", "Number of blocks synced on device.", labels: ["device"])
  }

  /// One array, as three lines tell of it.
  struct Array: Equatable {
    var device: String
    var isActive: Bool
    var failed = 0
    var spare = 0
    var active = 0
    var required = 0
    var blocks = 0.0
    var synced: Double?
    /// `resync`, `recovery`, `reshape` or `check` while one goes on.
    var operation: String?
  }

  mutating func collect(into table: inout SeriesTable, _ text: inout KernelText) throws {
    try file.read(into: &text)
    for array in Self.parse(ByteScanner.text(text.bytes.span, text.all)) {
      table.label(array.device)
      table.set(required, Double(array.required))
      table.set(blocks, array.blocks)
      table.set(synced, array.synced ?? array.blocks)
      let operation = array.operation.map { $0 == "recovery" ? "recovering" : $0 == "check" ? "check" : "resync" }
      for word in ["active", "inactive", "recovering", "resync", "check"] {
        table.label(word)
        table.set(state, word == (operation ?? (array.isActive ? "active" : "inactive")) ? 1 : 0)
        table.clearLabels(keeping: 1)
      }
      for (word, count) in [("active", array.active), ("failed", array.failed), ("spare", array.spare)] {
        table.label(word)
        table.set(disks, Double(count))
        table.clearLabels(keeping: 1)
      }
      table.clearLabels()
    }
  }

  static func parse(_ text: String) -> [Array] {
    var arrays: [Array] = []
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count >= 3, words[1] == ":", line.first != " ", words[0] != "Personalities" {
        var array = Array(device: String(words[0]), isActive: words[2] == "active")
        for word in words.dropFirst(3) where word.contains("[") {
          if word.hasSuffix("(F)") {
            array.failed += 1
          } else if word.hasSuffix("(S)") {
            array.spare += 1
          } else {
            array.active += 1
          }
        }
        array.required = array.active + array.failed
        arrays.append(array)
      } else if let last = arrays.indices.last, words.count >= 2, words[1] == "blocks" {
        arrays[last].blocks = Double(words[0]) ?? 0
        // [2/1]: so many disks, and so many of them in use.
        for word in words where word.hasPrefix("[") && word.hasSuffix("]") {
          let numbers = word.dropFirst().dropLast().split(separator: "/").compactMap { Int($0) }
          if numbers.count == 2 {
            arrays[last].required = numbers[0]
            arrays[last].active = numbers[1]
          }
        }
      } else if let last = arrays.indices.last,
        let operation = ["resync", "recovery", "reshape", "check"].first(where: { words.contains(Substring($0)) })
      {
        arrays[last].operation = operation
        // (12345/67890)
        if let part = words.first(where: { $0.hasPrefix("(") && $0.contains("/") }) {
          arrays[last].synced = Double(part.dropFirst().prefix { $0 != "/" })
        }
      }
    }
    return arrays
  }
}
