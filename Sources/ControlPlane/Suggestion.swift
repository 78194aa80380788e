/// "Did you mean …?"
enum Suggestion {
    /// The name that is nearest to a misspelt one: another case first, else a few edits away.
    static func nearest(to text: String, among names: [String]) -> String? {
        // The distance below is quadratic in the length, and the text may be hostile.
        guard text.utf8.count <= 64 else { return nil }
        let allowed = max(1, text.utf8.count / 3)
        let ranked = names.map { (name: $0, distance: distance(text, $0)) }
        return ranked.filter { $0.distance <= allowed }.min { $0.distance < $1.distance }?.name
    }

    /// Levenshtein's distance, upper and lower case being the same.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.lowercased().utf8)
        let b = Array(b.lowercased().utf8)
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in b.enumerated() {
                let substituted = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, diagonal + 1)
            }
        }
        return row[b.count]
    }
}
