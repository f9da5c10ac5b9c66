"""Sources from git: repositories, fetched at a commit into trees that runs stand on.

Below one directory every repository has its own, which several processes share::

    <digest of the address>/
      tip/            a bare repository: the commits that were asked for, each with its parents
      whole/          another, with all history: for servers that do not give single commits, and for who asks for it
      trees/1, 2 ...  working trees, each with a ``.git`` that needs nothing outside of it

A run takes a lease of the tree of its commit. The tree is the lowest layer of its workspaces as it stands, so that
nobody ever writes to it, and so it serves many runs. One that nobody leases is turned into that of the next commit,
which writes only what differs.

The repositories are hostile: no hook, filter, configuration or submodule of theirs makes git run a program or reach
for an address that is not allowed, and no link of theirs is followed.
"""
