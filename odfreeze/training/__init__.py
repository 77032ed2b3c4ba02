"""Everything about running the real OD API: compatibility, enforcement, launch.

Importing this package, :mod:`odfreeze.training.launch` or :mod:`odfreeze.training.staged`
imports no TensorFlow; that happens in the child process only.
"""
