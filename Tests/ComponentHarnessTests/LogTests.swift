// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import ComponentHarness
import Foundation
import LaunchPlan
import LinuxKernel
import Testing

@Suite struct LogLineTests {
  struct Line: Decodable {
    var t: Int64
    var s: String
    var m: String?
    var b: String?
  }

  private func encode(_ bytes: [UInt8]) throws -> Line {
    var buffer: [UInt8] = []
    LogLine.encode(bytes, stream: .out, partial: false, time: 17, to: &buffer)
    #expect(buffer.last == 0x0a)
    #expect(buffer.filter { $0 == 0x0a }.count == 1)
    return try JSONDecoder().decode(Line.self, from: Data(buffer))
  }

  @Test(arguments: ["", "plain", "\"quoted\" \\ back", "tab\tand\u{1}\u{7f}", "ä€😀", "line\nend"])
  func `text survives`(text: String) throws { #expect(try encode(Array(text.utf8)).m == text) }

  @Test(arguments: [[0xff], [0xc3], [0x41, 0x80], [0xed, 0xa0, 0x80], [0, 0xfe, 1]] as [[UInt8]])
  func `bytes that are no UTF-8 survive as base64`(bytes: [UInt8]) throws {
    #expect(try encode(bytes).b.flatMap { Data(base64Encoded: $0) } == Data(bytes))
  }

  @Test func `random bytes always make one valid line`() throws {
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0...40)).map { _ in UInt8.random(in: 0...255) }
      let line = try encode(bytes)
      let back = line.m.map { Array($0.utf8) } ?? line.b.flatMap { Data(base64Encoded: $0) }.map(Array.init)
      #expect(back == bytes)
    }
  }
}

@Suite struct LogSegmentTests {
  @Test func `segments are rotated by size and bounded in number`() throws {
    var template = Array("/tmp/nodeagent-log-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { try? FileSystem.removeTree(path) }
    let directory = try FileSystem.open(path, flags: O_RDONLY | O_DIRECTORY)
    var log = LogSegments(directory: directory.raw, settings: .init(segmentBytes: 1000, segments: 3))
    for index in 0..<200 {
      log.append("line \(index)".utf8, stream: .out, partial: false, time: Int64(index))
      log.flush()
    }
    let names = try FileSystem.names(in: path).sorted()
    #expect((2...3).contains(names.count))
    #expect(names.allSatisfy { LogSegmentName.number($0) != nil })
    for name in names {
      let bytes = try FileSystem.read("\(path)/\(name)")
      #expect(bytes.count <= 1100)
      #expect(bytes.last == 0x0a)
    }
  }
}
