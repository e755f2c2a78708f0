import CLibXML2
import Foundation

/// An element of an XML document, as a value.
package struct XMLElement: Sendable, Hashable {
    package let name: String
    package let attributes: [String: String]
    package let children: [XMLElement]
    /// The text directly in the element, without surrounding white space.
    package let text: String

    /// Parses a document. Nothing is fetched, entities are not replaced, and libxml2's own limits of depth and size hold.
    ///
    /// - Throws: ``CPUModelError`` with the line of the first error.
    package init(parsing document: String) throws(CPUModelError) {
        let bytes = Array(document.utf8)
        guard bytes.count < 1 << 24 else { throw CPUModelError(.malformed, "The XML has more than 16 MiB.") }
        let options = Int32(XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue)
        let xml = try XMLLibrary.loaded.get().functions
        xml.xmlResetLastError()
        let tree = bytes.withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) {
                xml.xmlReadMemory($0.baseAddress, Int32($0.count), "document.xml", nil, options)
            }
        }
        guard let tree else {
            let error = xml.xmlGetLastError()
            let line = error.map { Int($0.pointee.line) } ?? 0
            let message = error.flatMap { $0.pointee.message }.map { String(cString: $0) } ?? "it is no XML\n"
            throw CPUModelError(.malformed, "The XML cannot be read: line \(line): \(message.dropLast())")
        }
        defer { xml.xmlFreeDoc(tree) }
        guard let root = xml.xmlDocGetRootElement(tree) else {
            throw CPUModelError(.malformed, "The XML has no element.")
        }
        self.init(node: root, xml)
    }

    private init(node: UnsafeMutablePointer<xmlNode>, _ xml: xml_library) {
        name = node.pointee.name.map { String(cString: $0) } ?? ""
        var attributes: [String: String] = [:]
        var attribute = node.pointee.properties
        while let current = attribute {
            let value = xml.xmlNodeListGetString(node.pointee.doc, current.pointee.children, 1)
            if let name = current.pointee.name {
                attributes[String(cString: name)] = value.map { String(cString: $0) } ?? ""
            }
            // What `xmlFree` stands for unless a program replaces it; the variable itself is not safe to read here.
            free(value)
            attribute = current.pointee.next
        }
        var children: [XMLElement] = []
        var text = ""
        var child = node.pointee.children
        while let current = child {
            if current.pointee.type == XML_ELEMENT_NODE {
                children.append(XMLElement(node: current, xml))
            } else if current.pointee.type == XML_TEXT_NODE || current.pointee.type == XML_CDATA_SECTION_NODE,
                let content = current.pointee.content
            {
                text += String(cString: content)
            }
            child = current.pointee.next
        }
        self.attributes = attributes
        self.children = children
        let start = text.drop { $0.isWhitespace }
        self.text = String(start.prefix(start.count - start.reversed().prefix { $0.isWhitespace }.count))
    }

    /// The first child of a name.
    package subscript(child: String) -> XMLElement? { children.first { $0.name == child } }

    /// All children of a name.
    package func all(_ child: String) -> [XMLElement] { children.filter { $0.name == child } }
}
