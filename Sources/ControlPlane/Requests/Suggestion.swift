/// "Did you mean …?"
public enum Suggestion {
    /// The name that is nearest to a misspelt one: another case first, else a few edits away.
    public static func nearest(to text: String, among names: [String]) -> String? {
        // The distance below is quadratic in the length, and the text may be hostile.
        guard text.utf8.count <= 64 else { return nil }
        let allowed = max(1, text.utf8.count / 3)
        let ranked = names.map { (name: $0, distance: distance(text, $0)) }
        return ranked.filter { $0.distance <= allowed }.min { $0.distance < $1.distance }?.name
    }

    /// The distance of optimal string alignment, Levenshtein's with two neighbours exchanged as one
    /// edit; upper and lower case being the same.
    private static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.lowercased().utf8)
        let b = Array(b.lowercased().utf8)
        var before: [Int] = []
        var above = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                let substituted = above[j] + (a[i] == b[j] ? 0 : 1)
                var least = min(substituted, above[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    least = min(least, before[j - 1] + 1)
                }
                row.append(least)
            }
            (before, above) = (above, row)
        }
        return above[b.count]
    }
}
