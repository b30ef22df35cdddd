"""The verbs as the command line declares them: their options, what they ask at a terminal, what they answer."""
