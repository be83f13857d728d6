// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

/// Columns for people: left-aligned, two spaces between, no trailing spaces.
struct Table {
  struct Cell: ExpressibleByStringLiteral {
    var text: String
    var style: Terminal.Style?
    init(_ text: String, _ style: Terminal.Style? = nil) {
      self.text = Terminal.printable(text)
      self.style = style
    }
    init(stringLiteral value: String) { self.init(value) }
  }

  private let header: [String]
  private var rows: [[Cell]] = []

  init(_ header: String...) { self.header = header }

  mutating func add(_ cells: Cell...) { add(cells) }
  mutating func add(_ cells: [Cell]) { rows.append(cells) }

  var lines: [String] {
    var widths = header.map(\.count)
    for row in rows { for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.text.count) } }
    func line(_ cells: [Cell]) -> String {
      cells.enumerated().map { index, cell in
        let shown = cell.style.map { Terminal.styled(cell.text, $0) } ?? cell.text
        return index == cells.count - 1
          ? shown : shown + String(repeating: " ", count: widths[index] - cell.text.count + 2)
      }.joined()
    }
    return [line(header.map { Cell($0, .bold) })] + rows.map(line)
  }

  func print() { for line in lines { Swift.print(line) } }
}
