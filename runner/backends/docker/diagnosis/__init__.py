"""What an engine and its machine offer, and what will be missed on them: for ``runner doctor``.

``checks.diagnose`` puts it together. The other modules are pure functions of what was found, but for ``trial``, which
makes a workspace on the engine and removes it again.
"""
