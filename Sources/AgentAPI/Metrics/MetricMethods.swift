// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import JSONRPC

/// One metric with its series.
public struct MetricView: Codable, Sendable, Hashable, SchemaDocumented {
  public struct Series: Codable, Sendable, Hashable, SchemaDocumented {
    public var labels: [String: String]
    public var value: Double?
    public init(labels: [String: String], value: Double?) {
      self.labels = labels
      self.value = value
    }
    public static let memberSummaries = ["value": "missing where it is not a number"]
  }

  public var name: String
  public var kind: String
  public var help: String
  public var series: [Series]

  public init(name: String, kind: String, help: String, series: [Series]) {
    self.name = name
    self.kind = kind
    self.help = help
    self.series = series
  }

  public static let memberSummaries = [
    "kind": "counter, gauge or untyped", "help": "what it counts; its unit is the end of its name",
  ]
}

/// The values of one series over some time.
public struct MetricHistoryView: Codable, Sendable, Hashable, SchemaDocumented {
  public var name: String
  public var labels: [String: String]
  public var times: [Double]
  public var values: [Double]

  public init(name: String, labels: [String: String], times: [Double], values: [Double]) {
    self.name = name
    self.labels = labels
    self.times = times
    self.values = values
  }

  public static let memberSummaries = ["times": "seconds since 1970", "values": "one for each of the times"]
}

/// The metrics at one moment.
public struct MetricSample: Codable, Sendable, Hashable, SchemaDocumented {
  public var time: String
  public var metrics: [MetricView]
  public init(time: String, metrics: [MetricView]) {
    self.time = time
    self.metrics = metrics
  }
  public static let memberSummaries = ["time": "RFC 3339"]
}

/// How the collection itself goes.
public struct MetricStatus: Codable, Sendable, Hashable, SchemaDocumented {
  public var series: Int
  public var dropped: UInt64
  public var failures: [String: String]
  public var listening: [String]
  public var historySeconds: Double
  public var historyBytes: Int

  public init(
    series: Int, dropped: UInt64, failures: [String: String], listening: [String], historySeconds: Double,
    historyBytes: Int
  ) {
    self.series = series
    self.dropped = dropped
    self.failures = failures
    self.listening = listening
    self.historySeconds = historySeconds
    self.historyBytes = historyBytes
  }

  public static let memberSummaries = [
    "dropped": "values that were left out because there are too many series",
    "failures": "collectors that find nothing, and why", "listening": "where it is served over HTTP",
    "historySeconds": "how far back the history goes",
  ]
}

public enum MetricMethods {
  public struct Query: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public var labels: [String: String]?
    public init(names: [String]? = nil, labels: [String: String]? = nil) {
      self.names = names
      self.labels = labels
    }
    public static let memberSummaries = [
      "names": "only these metrics; one that ends with * stands for all that begin so",
      "labels": "only series with these labels",
    ]
  }

  public struct HistoryQuery: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]
    public var labels: [String: String]?
    public var since: Double?
    public init(names: [String], labels: [String: String]? = nil, since: Double? = nil) {
      self.names = names
      self.labels = labels
      self.since = since
    }
    public static let memberSummaries = [
      "names": "as in metrics.list", "since": "seconds back from now; all that is kept, an hour, when missing",
    ]
  }

  public struct Subscription: Codable, Sendable, Hashable, SchemaDocumented {
    public var names: [String]?
    public var labels: [String: String]?
    public var interval: Int64?
    public init(names: [String]? = nil, labels: [String: String]? = nil, interval: Int64? = nil) {
      self.names = names
      self.labels = labels
      self.interval = interval
    }
    public static let memberSummaries = ["interval": "milliseconds, from 100 to 3600000; 1000 when missing"]
  }

  public static let list = Method<Query, [MetricView]>(
    "metrics.list", role: .observer, "The metrics as they are now.", errors: [.invalidParams])
  public static let history = Method<HistoryQuery, [MetricHistoryView]>(
    "metrics.history", role: .observer, "What the metrics were within the last hour, every 15 seconds.",
    errors: [.invalidParams])
  public static let status = Method<Empty, MetricStatus>(
    "metrics.status", role: .observer, "How the collection of the metrics goes.")
  public static let topic = Method<Subscription, MetricSample>(
    "metrics", kind: .topic, role: .observer, "The metrics, at an interval.")
  /// The monitor asks the node controller for what that alone knows.
  public static let sources = Method<Empty, MetricSources>(
    "metrics.sources", role: .monitor, "What runs on this node, and what it uses.")
}
