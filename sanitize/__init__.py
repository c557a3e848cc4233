"""The extension under AddressSanitizer and UndefinedBehaviorSanitizer, and a count of what it keeps."""
