import CPUModel
import LibvirtBridge
import Testing

@Suite struct LibvirtDomainTests {
    private let xml = """
        <domain type='kvm'>
          <name>web &amp; mail</name>
          <memory unit='KiB'>524288</memory>
          <vcpu placement='static'>2</vcpu>
          <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><kernel>/boot/k</kernel><cmdline>a &lt; b</cmdline></os>
          <cpu mode='custom' match='exact'><model fallback='forbid'>Haswell-noTSX</model>
            <feature policy='disable' name='pcid'/></cpu>
          <devices>
            <emulator>/usr/bin/qemu-system-x86_64</emulator>
            <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/d/a.qcow2'/>
              <target dev='vda' bus='virtio'/>
              <address type='pci' domain='0x0000' bus='0x00' slot='0x07' function='0x0'/></disk>
            <disk type='file' device='disk'><source file='/d/b.img'/><target dev='sda' bus='sata'/></disk>
            <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/></disk>
            <disk type='network' device='disk'><source protocol='nbd' name='x'/><target dev='vdb' bus='virtio'/></disk>
            <interface type='network'/>
          </devices>
        </domain>
        """

    @Test func aDomainIsRead() throws {
        let domain = try LibvirtDomain(xml: xml)
        #expect(domain.name == "web & mail" && domain.machine == "pc-q35-7.2" && domain.memoryMiB == 512)
        #expect(domain.cpus == 2 && domain.kernel == "/boot/k" && domain.commandLine == "a < b")
        #expect(
            domain.disks == [
                .init(path: "/d/a.qcow2", format: "qcow2", slot: 7), .init(path: "/d/b.img", format: nil, slot: nil),
            ])
        #expect(domain.cpu?.model == "Haswell-noTSX" && domain.cpu?.disabled == ["pcid"])
        let leftOut = domain.leftOut.joined(separator: "; ")
        for word in ["sata controller of sda", "cdrom sdb", "vdb", "interface (network)"] {
            #expect(leftOut.contains(word), "\(word) in \(leftOut)")
        }
    }

    @Test func aDomainThatIsWrittenIsReadAsTheSame() throws {
        var domain = LibvirtDomain(
            name: "a<b>'\"&", type: "qemu", machine: "pc-i440fx-7.2", memoryMiB: 256, cpus: 3,
            disks: [.init(path: "/x/y & z.qcow2", format: "qcow2", slot: 4)], kernel: "/k", initialRamdisk: "/i",
            commandLine: "console=ttyS0")
        domain.cpu = LibvirtCPU(model: "Haswell", required: ["pdpe1gb"], disabled: ["pcid"])
        let again = try LibvirtDomain(xml: domain.xml)
        #expect(again == domain)
    }

    @Test(arguments: [
        "<domain/>", "<x/>", "<domain type='kvm'><name>a</name><os><type arch='aarch64'>hvm</type></os></domain>",
        "<domain><name>a</name><os><type>exe</type></os></domain>", "<domain",
        "<domain><name>a</name><os><type>hvm</type></os><memory unit='parsec'>1</memory></domain>",
        "<domain><name>a</name><os><type>hvm</type></os><memory unit='TiB'>99999999999999</memory></domain>",
        "<domain><name>a</name><os><type>hvm</type></os><memory>1048576</memory><vcpu>0</vcpu></domain>",
    ])
    func whatIsNoPCIsRefused(_ text: String) {
        let error = #expect(throws: (any Error).self) { try LibvirtDomain(xml: text) }
        #expect(error.map { "\($0)".isEmpty } == false)
    }
}
