// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// What somebody may have meant by a name that does not exist.
public enum Nearest {
  /// The known name that differs least, by Levenshtein's distance; `nil` where none is near.
  public static func match(_ name: String, in known: some Sequence<String>) -> String? {
    let most = max(1, name.count / 3)
    return known.map { (distance(name, $0), $0) }.filter { $0.0 <= most }.min { $0 < $1 }?.1
  }

  /// `; did you mean x?`, or nothing.
  public static func hint(_ name: String, in known: some Sequence<String>) -> String {
    match(name, in: known).map { "; did you mean \($0)?" } ?? ""
  }

  static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var previous = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let cost = a == b ? previous : 1 + min(previous, row[j], row[j + 1])
        previous = row[j + 1]
        row[j + 1] = cost
      }
    }
    return row[right.count]
  }
}
