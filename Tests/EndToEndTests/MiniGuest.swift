import Foundation
import Testing

/// The guest of `images/mini-linux.yaml`, built once for all tests.
actor MiniGuest {
    static let shared = MiniGuest()

    private var building: Task<TestHome, any Error>?

    /// A home with the VM `Mini`, which tests only copy.
    private func template() async throws -> TestHome {
        if let building { return try await building.value }
        let task = Task {
            let home = try TestHome()
            let recipe = Tool.path("images/mini-linux.yaml")
            try await home.stemma("image", "build", recipe, "--name", "Mini")
            return home
        }
        building = task
        return try await task.value
    }

    /// A fresh home with the VM `Mini`.
    func home() async throws -> TestHome {
        let template = try await template()
        let home = try TestHome()
        try FileManager.default.removeItem(atPath: home.path)
        try FileManager.default.copyItem(atPath: template.path, toPath: home.path)
        return home
    }
}
