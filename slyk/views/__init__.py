"""From stored squares to what a network sees: drawn once, applied by either of two engines."""
