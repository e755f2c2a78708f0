/// A change of all refs of a group, such as `vms/Debian/`: a name with its second slash.
package enum RefGroupChange: Hashable, Sendable {
    /// Each ref of the first group gets one of the same name in the second, which has no other ref afterwards. However many there are,
    /// this costs the same: see <doc:Format#Tables-of-refs>. What else is changed at the same time in the second group is not copied.
    case copy(from: String, to: String)
    /// Every ref of the group is removed.
    case remove(String)
}
