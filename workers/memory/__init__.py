"""Plan a GPU's memory for a model before anything is loaded.

Everything here but `sources` is pure: values in, values out. All sizes are bytes
unless a name says otherwise.
"""
