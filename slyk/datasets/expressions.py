"""The names of expressions, one spelling for all sets, and how each set counts them."""

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""AffectNet's order; RAF-DB has the first seven."""
RAF_DB = {
    1: "surprise",
    2: "fear",
    3: "disgust",
    4: "happiness",
    5: "sadness",
    6: "anger",
    7: "neutral",
}
AFFECTNET = dict(enumerate(CLASSES))
NOT_AN_EXPRESSION = {8: "none", 9: "uncertain", 10: "no_face"}
"""AffectNet's other labels."""
FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
"""Columns of votes."""
