"""A container-native step runner.

The data flow, in the order in which to read the code:

1. ``dialects`` turn the text that a user wrote into a plan;
2. ``plan`` is that plan: frozen data, printed, stored and replayed as JSON;
3. ``engine`` drives a plan: it writes what it intends and what happened to a *journal*,
4. and asks a *backend* for containers; ``backends.docker`` makes real ones, ``backends.fake`` pretends;
5. ``workspace`` decides what files a stage sees, ``logs`` keeps what its steps print;
6. ``store`` keeps journals, ``dispatch`` decides who drives, ``cli`` stands on top and is thin.
"""

__version__ = "0.1.0"
