// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 the nodeagent authors

import AgentAPI
import Glibc
import JSONRPC
import LinuxKernel
import Logging
import Synchronization

/// Does on the host what the container controller may ask for, and nothing else.
///
/// Every name is checked against what exists, every process against its parent, and a launch that fails half-way is
/// taken back. Calls for different containers run side by side; those for one container come one after the other from
/// the controller's mailbox, and are guarded here all the same.
final class HostBroker: Sendable {
  private struct State {
    var slots: [String: Int] = [:]
    var busy: Set<String> = []
    var records: [String: HostRecord] = [:]
    var mappings: [String: SharedDescriptor] = [:]
    /// Processes that unpack; one whose parent died becomes this process's child.
    var unpackers: [Orphan] = []
  }

  let instance: Instance
  let files: ContainerFiles
  let templates: TemplateFiles
  let network: NodeNetwork
  let firewall: Firewall
  private let cgroups: any CgroupHierarchy
  private let scope: ContainersScope?
  private let scopeLock = Mutex(())
  private let roots = RootFileSystem(kernel: LiveKernel())
  private let state = Mutex(State())
  private let availability: NodeAvailability
  private let logger: Logger
  private var recordDirectory: String { "\(instance.runDirectory)/host" }

  init(
    instance: Instance, number: InstanceNumber, controller: ControllerIdentity, cgroups: any CgroupHierarchy,
    scope: ContainersScope?, network: NodeNetwork, firewall: Firewall, availability: NodeAvailability, logger: Logger
  ) throws {
    self.firewall = firewall
    self.network = network
    self.availability = availability
    self.instance = instance
    self.cgroups = cgroups
    self.scope = scope
    self.logger = logger
    files = ContainerFiles(instance: instance, firstUID: number.firstUID, controller: controller)
    templates = TemplateFiles(instance: instance, firstUID: number.firstUID)
    try files.prepare()
    try templates.prepare()
    try FileSystem.makeDirectories(recordDirectory, mode: 0o700)
    try rebuild()
  }

  /// Finds out what exists, and removes what belongs to no container.
  private func rebuild() throws {
    let slots = try files.list()
    var records: [String: HostRecord] = [:]
    for name in try FileSystem.names(in: recordDirectory) {
      let path = "\(recordDirectory)/\(name)"
      guard name.hasSuffix(".json"), slots[String(name.dropLast(5))] != nil,
        let record = try? JSONCoding.decode(HostRecord.self, from: FileSystem.read(path))
      else {
        try FileSystem.removeTree(path)
        continue
      }
      records[String(name.dropLast(5))] = record
    }
    state.withLock {
      $0.slots = slots
      $0.records = records
    }
    let ports = Dictionary(
      records.compactMap { name, record in port(record, slot: slots[name]).map { (name, $0) } },
      uniquingKeysWith: { first, _ in first })
    try firewall.start(
      Dictionary(
        uniqueKeysWithValues: ports.map { name, port in
          (name, NodeNetwork.published(records[name]?.publications ?? [], of: name, port))
        }),
      links: records.mapValues { $0.links ?? [] }, ports: ports, isNetworkThere: try network.isThere)
    for name in cgroups.list() where slots[name] == nil {
      logger.warning("removing a cgroup that belongs to no container", metadata: ["cgroup": "\(name)"])
      try endCgroup(name)
    }
    for slot in try network.slots() where !slots.values.contains(slot) {
      logger.warning("removing an interface that belongs to no container", metadata: ["slot": "\(slot)"])
      try network.unplug(slot: slot)
    }
  }

  /// The port of a container that runs; it has the addresses that it was started with.
  private func port(_ record: HostRecord, slot: Int?) -> AttachedPort? {
    guard let slot, let address = record.address, var port = network.port(slot: slot) else { return nil }
    port.address = address
    port.address6 = record.address6
    port.served = record.served ?? []
    port.bandwidth = record.bandwidth
    return port
  }

  /// What the containers use that run.
  func sources() -> [MetricSources.Container] {
    let (records, slots) = state.withLock { ($0.records, $0.slots) }
    let present = Set(cgroups.list())
    return records.sorted { $0.key < $1.key }.compactMap { name, record in
      guard present.contains(name) else { return nil }
      let path = cgroups.paths(of: name).first ?? ""
      // Below the mount, and below the controller's own in a v1 hierarchy.
      let parts = path.split(separator: "/").dropFirst(3)
      let isLegacy = !path.isEmpty && !FileSystem.exists("\(path)/cgroup.controllers")
      return MetricSources.Container(
        name: name, id: "/" + (isLegacy ? parts.dropFirst() : parts).joined(separator: "/"),
        interface: record.address == nil ? nil : slots[name].map { network.interface(slot: $0) }, pid: record.pid,
        usage: cgroups.usage(of: name))
    }
  }

  // MARK: - Calls

  private func slot(of name: String) throws(RPCError) -> Int {
    guard let slot = state.withLock({ $0.slots[name] }) else {
      throw RPCError(.notFound, "the host has no container \"\(name.prefix(64))\"")
    }
    return slot
  }

  /// Runs `body` while no other call works on the same container.
  private func exclusively<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
    guard state.withLock({ $0.busy.insert(name).inserted }) else {
      throw RPCError(.busy, "another call works on container \(name)")
    }
    defer { state.withLock { _ = $0.busy.remove(name) } }
    return try body()
  }

  private func place(_ name: String, slot: Int) -> HostMethods.Place {
    HostMethods.Place(
      firstUID: files.firstUID(slot: slot), stateDirectory: files.stateDirectory(name),
      address: state.withLock { $0.records[name]?.address })
  }

  func create(_ name: String) throws -> HostMethods.Place {
    if let problem = ContainerSpec.problem(withName: name) { throw RPCError(.invalidParams, problem) }
    try availability.admit()
    return try exclusively(name) {
      let slot: Int = try state.withLock { state throws(RPCError) in
        guard state.slots[name] == nil else {
          throw RPCError(.alreadyExists, "the host has a container \(name) already")
        }
        let taken = Set(state.slots.values)
        guard let free = ContainerFiles.slots.first(where: { !taken.contains($0) }) else {
          throw RPCError(.noSpace, "all \(ContainerFiles.slots.count) id ranges of this instance are in use")
        }
        state.slots[name] = free
        return free
      }
      do {
        try files.create(name, slot: slot)
      } catch {
        state.withLock { _ = $0.slots.removeValue(forKey: name) }
        throw error
      }
      FaultPoint(directory: recordDirectory).pass("host.created")
      return place(name, slot: slot)
    }
  }

  func launch(_ call: HostMethods.Launch, child: CallersChild) throws -> (
    HostMethods.Launched, [SharedDescriptor]
  ) {
    let slot = try slot(of: call.name)
    try TemplateFiles.check(call.template)
    guard templates.exists(call.template) else {
      throw RPCError(.notFound, "there is no template \(call.template); import the bundle again")
    }
    try Self.check(call.limits)
    return try exclusively(call.name) {
      do {
        try child.map(first: files.firstUID(slot: slot), count: ContainerFiles.rangeSize)
        try scopeLock.withLock { _ in try scope?.ensure() }
        try cgroups.create(call.name, limits: call.limits)
        let entrances = try cgroups.entrances(to: call.name)
        if entrances == nil { try cgroups.attach(child.pid, to: call.name) }
        // The pid was good if the process still lives now; else the attached one may be another's.
        try child.checkAlive()
        var record = HostRecord(address: nil, publications: [], pid: child.pid, startTime: child.startTime)
        if call.network == .private {
          let namespace = try child.namespace("net")
          try Self.check(call)
          var port = try network.plug(slot: slot, namespace: namespace.raw, call.bandwidth)
          port.served = call.served ?? []
          port.bandwidth = call.bandwidth
          record.address = port.address
          record.address6 = port.address6
          record.served = call.served
          record.bandwidth = call.bandwidth
          record.links = try links(call)
          // Not remembered by a record yet: a failure from here on takes it back by the name alone.
          record.publications = try network.publish(call.publish, of: call.name, port, links: record.links ?? [])
        }
        state.withLock { $0.records[call.name] = record }
        try FileSystem.replace(
          "\(recordDirectory)/\(call.name).json", with: try JSONCoding.encode(record), mode: 0o600)
        let mapping = try mapping(call.name, slot: slot)
        let root = SharedDescriptor(
          try roots.make(
            template: templates.directory(call.template), upper: "\(files.directory(call.name))/upper",
            work: "\(files.directory(call.name))/work",
            point: "\(files.directory(call.name))/lower", mapping: mapping.raw))
        let served = call.serves == true ? [try child.openFileSystemDevice()] : []
        return (
          HostMethods.Launched(
            address: record.address, address6: record.address6, publications: record.publications,
            cgroups: cgroups.paths(of: call.name),
            profile: AppArmor.loadedProfile(),
            gateway: record.address == nil ? nil : network.pool.gateway,
            interface: record.address == nil ? nil : network.interface(slot: slot), linked: linked(record.links ?? [])),
          [root] + (entrances ?? []) + served
        )
      } catch {
        do {
          try takeBack(call.name, slot: slot)
        } catch {
          logger.error(
            "a failed launch was not taken back", metadata: ["container": "\(call.name)", "error": "\(error)"])
        }
        throw error
      }
    }
  }

  /// Those of the names that are containers of this host: what a record names may have been removed since.
  private func links(_ call: HostMethods.Launch) throws(RPCError) -> [String] {
    guard call.links?.count ?? 0 <= 64 else { throw RPCError(.invalidParams, "links are at most 64") }
    let known = state.withLock { $0.slots }
    return (call.links ?? []).filter { known[$0] != nil && $0 != call.name }
  }

  /// A container keeps its address as long as it exists, whether it runs or not.
  private func linked(_ names: [String]) -> [String: [String]] {
    let slots = state.withLock { $0.slots }
    return Dictionary(
      names.compactMap { name in
        slots[name].map { slot in
          (name, [network.pool.address(slot: slot), network.pool.address6(slot: slot)].compactMap { $0 })
        }
      },
      uniquingKeysWith: { first, _ in first })
  }

  /// A controller's word on ports and rates goes into the kernel's tables.
  private static func check(_ call: HostMethods.Launch) throws(RPCError) {
    let served = (call.served ?? []).map { (port: $0.port, count: $0.count ?? 1) }
    let ports = call.publish.map { (port: $0.port, count: $0.count ?? 1) } + served
    guard ports.count <= 1000, ports.allSatisfy({ (1...BundleDescriptor.Endpoint.mostPorts).contains(Int($0.count)) })
    else { throw RPCError(.invalidParams, "an endpoint has 1 to \(BundleDescriptor.Endpoint.mostPorts) ports") }
    guard ports.allSatisfy({ $0.port > 0 && Int($0.port) + Int($0.count) <= 65536 }) else {
      throw RPCError(.invalidParams, "ports are 1 to 65535")
    }
    guard ports.reduce(0, { $0 + Int($1.count) }) <= 8192 else {
      throw RPCError(.invalidParams, "the endpoints of a container have at most 8192 ports together")
    }
    for rate in call.publish.flatMap({ [$0.rate, $0.ratePerSource] }) {
      guard rate.map({ (1...1_000_000).contains($0.count) }) ?? true else {
        throw RPCError(.invalidParams, "a rate is from 1 to 1000000")
      }
    }
    for rate in [call.bandwidth?.receive, call.bandwidth?.send] {
      guard rate.map(BandwidthLimits.range.contains) ?? true else {
        throw RPCError(
          .invalidParams,
          "bandwidth is \(BandwidthLimits.range.lowerBound) to \(BandwidthLimits.range.upperBound) bytes a second")
      }
    }
  }

  private static func check(_ limits: CgroupLimits) throws(RPCError) {
    if let cpus = limits.cpus, !cpus.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2c || $0 == 0x2d }) {
      throw RPCError(.invalidParams, "limits.cpus is a list such as 0-1,3")
    }
    if let milli = limits.cpuMilli, !(10...1_000_000).contains(milli) {
      throw RPCError(.invalidParams, "limits.cpuMilli is 10 to 1000000")
    }
    if let weight = limits.cpuWeight, !(1...10_000).contains(weight) {
      throw RPCError(.invalidParams, "limits.cpuWeight is 1 to 10000")
    }
  }

  private func mapping(_ name: String, slot: Int) throws -> SharedDescriptor {
    if let known = state.withLock({ $0.mappings[name] }) { return known }
    let made = SharedDescriptor(
      try IdentityMapping.namespace(
        disk: templates.firstUID, seen: files.firstUID(slot: slot), count: ContainerFiles.rangeSize))
    state.withLock { $0.mappings[name] = made }
    return made
  }

  func update(_ call: HostMethods.Update) throws {
    _ = try slot(of: call.name)
    try Self.check(call.limits)
    try exclusively(call.name) {
      guard cgroups.list().contains(call.name) else {
        throw RPCError(.wrongState, "container \(call.name) does not run")
      }
      try cgroups.create(call.name, limits: call.limits)
    }
  }

  func release(_ name: String) throws {
    let slot = try slot(of: name)
    try exclusively(name) { try takeBack(name, slot: slot) }
  }

  /// Ends what is left of a container's run; what is already gone is no error.
  private func takeBack(_ name: String, slot: Int) throws {
    let record = state.withLock { $0.records.removeValue(forKey: name) }
    try network.withdraw(name)
    // A launch that failed half-way has no record, and may have been plugged in: the device that limits what it sends does not go
    // with its network namespace.
    if record == nil || record?.address != nil { try network.unplug(slot: slot) }
    if record != nil {
      try FileSystem.remove("\(recordDirectory)/\(name).json")
    }
    try endCgroup(name)
    if let record { Orphan(pid: record.pid, startTime: record.startTime).reap() }
  }

  private func endCgroup(_ name: String) throws {
    guard !cgroups.paths(of: name).isEmpty, cgroups.list().contains(name) else { return }
    let deadline = Clock.monotonicNanoseconds() + 10_000_000_000
    while true {
      do {
        return try cgroups.remove(name)
      } catch  where error.errno == EBUSY {
        guard Clock.monotonicNanoseconds() < deadline else { throw error }
      }
      try cgroups.kill(name)
      usleep(1000)
    }
  }

  func remove(_ name: String) throws {
    let slot = try slot(of: name)
    try exclusively(name) {
      try takeBack(name, slot: slot)
      try files.remove(name)
      state.withLock {
        $0.slots.removeValue(forKey: name)
        $0.mappings.removeValue(forKey: name)
      }
    }
  }

  func beginTemplate(_ digest: String, child: CallersChild) throws -> Descriptor {
    try TemplateFiles.check(digest)
    guard !templates.exists(digest) else { throw RPCError(.alreadyExists, "template \(digest) exists") }
    try child.map(first: templates.firstUID, count: ContainerFiles.rangeSize)
    state.withLock { state in
      state.unpackers.removeAll { $0.reap() }
      state.unpackers.append(Orphan(pid: child.pid, startTime: child.startTime))
    }
    return try templates.begin(digest)
  }

  func commitTemplate(_ digest: String) throws {
    try TemplateFiles.check(digest)
    try templates.commit(digest)
  }

  func removeTemplate(_ digest: String) throws {
    try TemplateFiles.check(digest)
    try templates.remove(digest)
  }

  func inventory() throws -> HostMethods.Inventory {
    try WaitedChildren.reapOrphans()
    let (slots, records) = state.withLock { ($0.slots, $0.records) }
    let running = Set(cgroups.list())
    let containers = slots.keys.sorted().map { name in
      HostMethods.Inventory.Container(
        name: name, place: place(name, slot: slots[name] ?? 0), running: running.contains(name),
        cgroups: running.contains(name) ? cgroups.paths(of: name) : [], publications: records[name]?.publications ?? [])
    }
    return HostMethods.Inventory(containers: containers, templates: try templates.list())
  }

  /// Takes everything down that does not outlive the agent.
  func shutDown() throws {
    for (name, slot) in state.withLock({ $0.slots }) { try exclusively(name) { try takeBack(name, slot: slot) } }
    try network.remove()
    try cgroups.removeBase()
    try scope?.end()
  }
}
