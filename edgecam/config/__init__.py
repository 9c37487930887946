"""Configuration: one YAML file becomes one frozen tree of typed values, or a list of all that is wrong with it."""
