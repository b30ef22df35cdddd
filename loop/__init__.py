"""One file a family of verbs: composes rooms, holds no maths."""
