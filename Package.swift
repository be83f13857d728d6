// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import PackageDescription

let strictC: [CSetting] = [
  .unsafeFlags(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fvisibility=default"])
]

let package = Package(
  name: "nodeagent",
  products: [
    .executable(name: "nodeagent", targets: ["nodeagent"]),
    .executable(name: "nodeagent-harness", targets: ["nodeagent-harness"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .target(name: "CLinux", cSettings: strictC),
    .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CNftables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
    .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
    .systemLibrary(name: "CNetlink", pkgConfig: "libnl-route-3.0", providers: [.apt(["libnl-route-3-dev"])]),

    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

    .systemLibrary(name: "CFuse", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .systemLibrary(name: "CP11Kit", pkgConfig: "p11-kit-1", providers: [.apt(["libp11-kit-dev"])]),
    .target(name: "CToken", dependencies: ["CP11Kit"]),
    .target(name: "CResolver", linkerSettings: [.linkedLibrary("resolv")]),
    .target(name: "LinuxKernel", dependencies: ["CLinux"]),
    .target(name: "LaunchPlan", dependencies: ["LinuxKernel", "CLinux"]),
    .target(
      name: "JSONRPC",
      dependencies: [
        "LinuxKernel",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(name: "AgentAPI", dependencies: ["JSONRPC", "LinuxKernel"]),
    .target(
      name: "Configuration", dependencies: [.product(name: "Yams", package: "Yams")]),
    .target(name: "LogStore", dependencies: ["AgentAPI", "JSONRPC", "LaunchPlan", "LinuxKernel"]),
    .target(
      name: "Probing",
      dependencies: [
        "AgentAPI", "LinuxKernel",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    .target(
      name: "HealthChecks",
      dependencies: [
        "AgentAPI", "Configuration", "JSONRPC", "LinuxKernel", "LogStore", "Probing",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(name: "Metrics", dependencies: ["LinuxKernel", "CLinux"]),
    .target(
      name: "NodeMonitor",
      dependencies: [
        "AgentAPI", "JSONRPC", "LinuxKernel", "Metrics", "Probing",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ]),
    .target(
      name: "NodeController",
      dependencies: [
        "AgentAPI", "Configuration", "HealthChecks", "JSONRPC", "LaunchPlan", "LogStore", "LinuxKernel", "Metrics",
        "Probing", "CLinux", "CNftables", "CNetlink", "CSystemd",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(
      name: "ContainerController",
      dependencies: [
        "AgentAPI", "Configuration", "HealthChecks", "JSONRPC", "LaunchPlan", "LinuxKernel", "LogStore", "Probing",
        "CLinux", "CSeccomp", "CArchive",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ]),
    .target(
      name: "CertificateProfile",
      dependencies: [
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "_CryptoExtras", package: "swift-crypto"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ]),
    .target(
      name: "CertManager",
      dependencies: [
        "AgentAPI", "CertificateProfile", "CLinux", "CResolver", "CSQLite", "CToken", "JSONRPC", "LaunchPlan",
        "LinuxKernel", "LogStore",
        "Probing",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "_CryptoExtras", package: "swift-crypto"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ]),
    .target(
      name: "RemoteAccess",
      dependencies: [
        "AgentAPI", "CertificateProfile", "JSONRPC", "LinuxKernel",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ]),
    .target(name: "ComponentHarness", dependencies: ["LaunchPlan", "LinuxKernel", "CFuse", "CLinux"]),
    .executableTarget(
      name: "nodeagent",
      dependencies: [
        "AgentAPI", "CertManager", "CertificateProfile", "Configuration", "JSONRPC", "NodeController", "NodeMonitor",
        "RemoteAccess",
        "ContainerController",
        "LinuxKernel", "CLinux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ]),
    .executableTarget(
      name: "nodeagent-harness",
      dependencies: ["ComponentHarness"],
      // PID 1 of a container runs from a descriptor in a root file-system that has no libraries for it.
      linkerSettings: [.unsafeFlags(["-static-executable"])]),

    .testTarget(name: "LinuxKernelTests", dependencies: ["LinuxKernel", "CLinux"]),
    .testTarget(name: "LaunchPlanTests", dependencies: ["LaunchPlan", "LinuxKernel"]),
    .testTarget(name: "JSONRPCTests", dependencies: ["JSONRPC", "LinuxKernel"]),
    .testTarget(name: "AgentAPITests", dependencies: ["AgentAPI", "JSONRPC"]),
    .testTarget(
      name: "NodeControllerTests", dependencies: ["NodeController", "AgentAPI", "Configuration", "LinuxKernel"]),
    .testTarget(name: "HealthChecksTests", dependencies: ["HealthChecks", "AgentAPI", "Configuration"]),
    .testTarget(
      name: "ContainerControllerTests",
      dependencies: ["ContainerController", "AgentAPI", "LaunchPlan", "LinuxKernel"]),
    .testTarget(
      name: "CertManagerTests",
      dependencies: ["CertManager", "AgentAPI", "JSONRPC", "LaunchPlan", "LinuxKernel", "LogStore", "TestServers"]),
    .testTarget(name: "ComponentHarnessTests", dependencies: ["ComponentHarness", "LaunchPlan"]),
    .testTarget(name: "LogStoreTests", dependencies: ["LogStore", "AgentAPI", "JSONRPC", "LinuxKernel"]),
    .testTarget(name: "MetricsTests", dependencies: ["Metrics", "LinuxKernel"]),
    .testTarget(
      name: "NodeMonitorTests", dependencies: ["NodeMonitor", "AgentAPI", "Metrics", "Probing", "TestServers"]),
    .target(name: "TestServers", dependencies: ["LinuxKernel"], path: "Tests/TestServers"),
    .testTarget(name: "ProbingTests", dependencies: ["Probing", "AgentAPI", "LinuxKernel", "TestServers"]),
    .testTarget(
      name: "HostTests",
      // Not on the executables: the harness's static linking would become the tests'. They are found beside them.
      dependencies: [
        "AgentAPI", "CertManager", "CertificateProfile", "JSONRPC", "NodeController", "LinuxKernel", "CLinux",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)
