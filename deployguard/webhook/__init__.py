"""The admission webhook: the same decision in another envelope."""
