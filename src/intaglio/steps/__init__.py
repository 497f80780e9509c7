"""The steps of the chain, one module each: read the inputs, call the library, write the outputs.

A step module is cheap to import (the command line imports all of them); what it needs is imported inside `run`.
`KEYS` names the settings that its results depend on; the rule and the stage of that name declare the same ones.
"""
