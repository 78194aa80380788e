extension Request {
    /// The form of words: the action, then `Key=Value` each, apart by blanks. Values are quoted as
    /// in a shell: 'as it is', "with \" and \\ inside", and \ before a single character.
    static func parameters(ofWords text: Substring) throws(Refusal) -> [Parameter] {
        var pairs: [Parameter] = []
        for word in try words(of: text) {
            if pairs.isEmpty {
                pairs.append(Parameter(name: "Action", value: word))
                continue
            }
            guard let equals = word.firstIndex(of: "=") else {
                throw malformed("behind the action every word is Key=Value; '\(word)' is not")
            }
            pairs.append(
                Parameter(
                    name: String(word[..<equals]),
                    value: String(word[word.index(after: equals)...])))
            // One more than allowed is enough to tell; a hostile request is not split to its end.
            if pairs.count > Limit.parameters + 1 { break }
        }
        return pairs
    }

    private static func words(of text: Substring) throws(Refusal) -> [String] {
        var words: [String] = []
        var word = ""
        var isInWord = false
        var quote: Character?
        var rest = text[...]
        while let character = rest.popFirst() {
            if character == "\\", quote != "'" {
                guard let next = rest.popFirst() else {
                    throw malformed("it ends in a backslash")
                }
                // Within double quotes a backslash stands for itself but before these two.
                if quote == "\"", next != "\"", next != "\\" { word.append(character) }
                word.append(next)
                isInWord = true
            } else if character == quote {
                quote = nil
            } else if quote != nil {
                word.append(character)
            } else if character == "'" || character == "\"" {
                quote = character
                isInWord = true
            } else if character.isWhitespace {
                if isInWord { words.append(word) }
                (word, isInWord) = ("", false)
            } else {
                word.append(character)
                isInWord = true
            }
        }
        guard quote == nil else { throw malformed("a quote is not closed") }
        if isInWord { words.append(word) }
        return words
    }
}
